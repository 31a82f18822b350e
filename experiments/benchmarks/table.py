"""Prints results.json as the Markdown table of README.md."""

import json

from contest import RESULTS, line

if __name__ == "__main__":
    print("| benchmark | ours (spread) | theirs | unit | ratio | target | repeats |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, row in json.loads(RESULTS.read_text()).items():
        print(line(name, row))
