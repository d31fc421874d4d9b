"""The commented configuration that `winnow init` starts a user with."""

from pathlib import Path

from schemas.errors import ConfigurationError

FILE_NAME = "corpus.yaml"

TEMPLATE = """\
# What `winnow run corpus.yaml` reads. Relative paths start at this file's folder, and ${VAR} is
# taken from the environment. `winnow run corpus.yaml --dry-run` checks it all and does no work.

workspace: ./work               # everything that Winnow keeps; can be deleted, then it is made anew
seed: 7                         # random choices come from this and the documents' ids

sources:
  - name: web                   # part of the documents' ids: don't rename it later
    path: "data/*.warc.gz"      # a path, glob, directory or URL, or a list of them
    # format: warc              # warc, wet, jsonl, parquet, text, html; guessed when left out
    # Where the records of jsonl and parquet keep things; the rest goes to the column `metadata`:
    # columns: {text: body, url: link, date: timestamp, stars: {key: rating, type: int}}
    # unit: line                # for text: every line is a document

# What is measured, in this order. Each stage adds columns and drops nothing: a threshold can be
# moved later without measuring again. {} means the defaults; every stage can have a `where`, an
# expression over earlier columns, and a `name` where its kind appears twice.
stages:
  - language: {}                # language, language_score, script
  - signals: {}                 # n_words and other measures, gopher_quality, c4_quality, ...
  - tokens: {}                  # n_tokens, by the tokenizer that comes with Winnow, or:
  # - tokens: {tokenizer: path/to/tokenizer.json}
  - exact_dedup: {}             # exact_duplicate_of, exact_cluster_id
  - fuzzy_dedup: {}             # near duplicates: duplicate_of, similarity, cluster_id; or:
  # - fuzzy_dedup: {shingle: word, ngram: 5, threshold: 0.8}
  - quality: {}                 # overall_score and thirteen other ratings, domain; for English
  # - perplexity: {where: "language = 'en'", max_tokens: 1000}          # by a language model
  # - columns_from: {path: scores.parquet, key: url, columns: [score]}    # computed elsewhere

# What is selected from the columns, and written with the text.
mixtures:
  - name: main
    where: "language = 'en' and gopher_quality and gopher_repetition"
    unique: cluster_id          # of documents that are nearly the same, the best one
    score: overall_score_expected     # higher is better
    sampler: {method: top_k}    # or uniform, {method: gumbel, temperature: 0.5}, ...
    strata: [source]            # the budget is divided among the values of these columns ...
    quotas: proportional        # ... in proportion to what passes `where`, or: equal
    tokens: 2_000_000           # the budget; leave it out to take everything that passes
    tokenizer: shipped          # whose tokens these are; the same as in the stage `tokens`
    shortfall: redistribute     # or fail; repeat, with max_repeats
    write: {format: parquet}    # or jsonl, mds, megatron, tokens, huggingface

max_rejects: 0.05               # of each source's records, how many may be rejects (broken, empty)
max_document_bytes: 20_000_000  # a larger document is a reject
part_bytes: 512_000_000         # size of the files in the workspace
"""


def write_template(directory: str | Path) -> Path:
    """Write the commented configuration into a folder, made where missing; never over a file."""
    path = Path(directory) / FILE_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error.strerror}") from None
    return path
