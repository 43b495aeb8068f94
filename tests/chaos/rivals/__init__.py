"""The obvious ways to run long agents without Longhaul, written as their documentation suggests."""
