"""Where the rules come from, by a short name that the reasons use."""

from __future__ import annotations

HOUSE_RULE = "house rule"
"""A convention of bertft or of practice, and not of a paper."""

SOURCES: dict[str, str] = {
    "Devlin 2019": "Devlin, Chang, Lee, Toutanova: BERT. NAACL 2019, appendix A.3 (batch 16 or 32; 2e-5 to 5e-5; 2 to 4 epochs)",
    "Mosbach 2021": "Mosbach, Andriushchenko, Klakow: On the Stability of Fine-tuning BERT. ICLR 2021 (bias correction and"
    " 20 epochs; measured on BERT-large, BERT-base was stable without)",
    "Zhang 2021": "Zhang, Wu, Katiyar, Weinberger, Artzi: Revisiting Few-sample BERT Fine-tuning. ICLR 2021",
    "Dodge 2020": "Dodge, Ilharco, Schwartz et al.: Fine-Tuning Pretrained Language Models. arXiv:2002.06305",
    "Google small BERTs": "github.com/google-research/bert, README (small models: rates 3e-4, 1e-4, 5e-5, 3e-5; 4 epochs)",
    "Korthikanti 2022": "Korthikanti et al.: Reducing Activation Recomputation in Large Transformer Models. arXiv:2205.05198",
    "SQuAD scripts": "google-research/bert README and transformers' run_qa.py (max_seq_length 384, doc_stride 128)",
}
"""Name → reference."""
