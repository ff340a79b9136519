"""The SQL store passes the contract of knowledge bases on every database."""

from tests.adapters.store.knowledge.contract import DocumentContract, RagContract, SearchContract


class TestRags(RagContract): ...


class TestDocuments(DocumentContract): ...


class TestSearch(SearchContract): ...
