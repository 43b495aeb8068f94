// Start a run from TypeScript and wait for its report: npm install && npm start -- "QUESTION"
import { Client, Connection } from "@temporalio/client";

const question = process.argv[2] ?? "What makes tea astringent?";

const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? "localhost:7233" });
const client = new Client({ connection, namespace: process.env.TEMPORAL_NAMESPACE ?? "default" });

const handle = await client.workflow.start("AgentRun", {
  taskQueue: process.env.LONGHAUL_TASK_QUEUE ?? "longhaul",
  // An id of your own, such as an order's: the same id starts at most one run, however often it is sent.
  workflowId: process.argv[3] ?? `research-from-typescript-${Date.now()}`,
  workflowIdReusePolicy: "REJECT_DUPLICATE",
  workflowIdConflictPolicy: "USE_EXISTING",
  // What the Temporal UI shows for the run.
  staticSummary: question.slice(0, 90),
  args: [{ agent: "deep-research-preview-04-2026", input: question }],
});
console.error(`started ${handle.workflowId}`);

// Rejects when the run fails, times out or is cancelled; a failure's details hold the result so far.
const result = await handle.result();
for (const artifact of result.artifacts) console.log(artifact.uri);
await connection.close();
