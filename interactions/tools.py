"""The ten tools a create may offer.

Source:
    https://ai.google.dev/api/interactions-api and google-genai 3.4.0, read 2026-11-22.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from interactions.wire import RequestModel

JsonObject = dict[str, JsonValue]


class Function(RequestModel):
    """A function that the caller carries out; ``parameters`` is a JSON Schema."""

    type: Literal["function"] = "function"
    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    defer_loading: bool | None = None
    short_description: str | None = None


class GoogleSearch(RequestModel):
    """Web search by the service."""

    type: Literal["google_search"] = "google_search"
    search_types: tuple[Literal["web_search", "image_search", "enterprise_web_search"], ...] | None = None


class UrlContext(RequestModel):
    """Reading of web pages by the service."""

    type: Literal["url_context"] = "url_context"


class CodeExecution(RequestModel):
    """Code run by the service."""

    type: Literal["code_execution"] = "code_execution"


class FileSearch(RequestModel):
    """Search in file search stores."""

    type: Literal["file_search"] = "file_search"
    file_search_store_names: tuple[str, ...] | None = None
    top_k: int | None = None
    metadata_filter: str | None = None


class GoogleMaps(RequestModel):
    """Search for places, near a point in degrees."""

    type: Literal["google_maps"] = "google_maps"
    enable_widget: bool | None = None
    latitude: float | None = None
    longitude: float | None = None


ToolChoiceMode = Literal["auto", "any", "none", "validated"]


class AllowedTools(RequestModel):
    """A choice among tools by name."""

    mode: ToolChoiceMode | None = None
    tools: tuple[str, ...] | None = None


class McpServer(RequestModel):
    """A remote MCP server that the service calls by itself.

    ``allowed_tools`` takes names or ``AllowedTools``: the published samples and the official SDK differ.
    """

    type: Literal["mcp_server"] = "mcp_server"
    name: str | None = None
    url: str | None = None
    # Headers carry the server's token.
    headers: dict[str, str] | None = Field(default=None, repr=False)
    allowed_tools: tuple[str | AllowedTools, ...] | None = None


class ComputerUse(RequestModel):
    """Control of a screen; actions come back as function calls that the caller carries out."""

    type: Literal["computer_use"] = "computer_use"
    environment: Literal["browser", "mobile", "desktop"] | None = None
    excluded_predefined_functions: tuple[str, ...] | None = None
    enable_prompt_injection_detection: bool | None = None
    disabled_safety_policies: (
        tuple[
            Literal[
                "financial_transactions",
                "sensitive_data_modification",
                "communication_tool",
                "account_creation",
                "data_modification",
                "user_consent_management",
                "legal_terms_and_agreements",
            ],
            ...,
        ]
        | None
    ) = None


class VertexAiSearchConfig(RequestModel):
    """A Vertex AI Search engine or its data stores."""

    engine: str | None = None
    datastores: tuple[str, ...] | None = None


class RagResource(RequestModel):
    """A RAG corpus, or files of it."""

    rag_corpus: str | None = None
    rag_file_ids: tuple[str, ...] | None = None


class RagFilter(RequestModel):
    """Which passages count."""

    metadata_filter: str | None = None
    vector_distance_threshold: float | None = None
    vector_similarity_threshold: float | None = None


class HybridSearch(RequestModel):
    """The weight between keyword (0) and vector (1) search."""

    alpha: float | None = None


class RankService(RequestModel):
    """A ranking model by name."""

    model_name: str | None = None


class Ranking(RequestModel):
    """How passages are ranked."""

    ranking_config: Literal["rank_service"] = "rank_service"
    model_name: str | None = None
    rank_service: RankService | None = None


class RagRetrievalConfig(RequestModel):
    """How passages are searched for."""

    top_k: int | None = None
    filter: RagFilter | None = None
    hybrid_search: HybridSearch | None = None
    ranking: Ranking | None = None


class RagStoreConfig(RequestModel):
    """RAG corpora to search."""

    rag_resources: tuple[RagResource, ...] | None = None
    rag_retrieval_config: RagRetrievalConfig | None = None
    similarity_top_k: int | None = None
    vector_distance_threshold: float | None = None


class ExaAiSearchConfig(RequestModel):
    """A search with Exa."""

    api_key: str = Field(repr=False)
    custom_config: JsonObject | None = None


class ParallelAiSearchConfig(RequestModel):
    """A search with Parallel."""

    api_key: str | None = Field(default=None, repr=False)
    custom_config: JsonObject | None = None


class Retrieval(RequestModel):
    """Search in the caller's own sources; Vertex only."""

    type: Literal["retrieval"] = "retrieval"
    retrieval_types: (
        tuple[Literal["vertex_ai_search", "rag_store", "exa_ai_search", "parallel_ai_search"], ...] | None
    ) = None
    vertex_ai_search_config: VertexAiSearchConfig | None = None
    rag_store_config: RagStoreConfig | None = None
    exa_ai_search_config: ExaAiSearchConfig | None = None
    parallel_ai_search_config: ParallelAiSearchConfig | None = None


class ToolSearch(RequestModel):
    """Search among functions with ``defer_loading``, by the service or by the caller."""

    type: Literal["tool_search"] = "tool_search"
    execution: Literal["server", "client"] | None = None
    name: str | None = None
    description: str | None = None
    parameters: JsonObject | None = None


Tool = Annotated[
    Function
    | GoogleSearch
    | UrlContext
    | CodeExecution
    | FileSearch
    | GoogleMaps
    | McpServer
    | ComputerUse
    | Retrieval
    | ToolSearch,
    Field(discriminator="type"),
]
