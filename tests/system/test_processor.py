import pytest

from jaxvae.system import processor


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        ("flags : avx avx2 avx512f", "", True),
        ("flags : avx avx2 avx512f", "--xla_cpu_max_isa=AVX2", False),
        ("flags : avx avx2", "", False),
        ("", "", False),
    ],
)
def test_avx512_counts_where_the_processor_has_it_and_xla_is_not_limited(monkeypatch, flags, limit, expected):
    monkeypatch.setattr(processor, "described", lambda: flags)
    monkeypatch.setenv("XLA_FLAGS", limit)
    assert processor.computes_with_avx512.__wrapped__() is expected
