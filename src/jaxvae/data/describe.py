"""What `prepare` found, for people."""

from jaxvae.data.prepared import Prepared


def describe(prepared: Prepared) -> str:
    """Counts, shapes, value range, attributes with their frequencies, and where the data set is."""
    info = prepared.info
    height, width, channels = prepared.shape
    counts = ", ".join(f"{part['n']:,} {name}" for name, part in info["splits"].items())
    low = min(part["range"][0] for part in info["splits"].values())
    high = max(part["range"][1] for part in info["splits"].values())
    lines = [
        f"data set {info['name']} in {prepared.path}",
        f"  pictures    {counts}; {height}x{width}, {'grey' if channels == 1 else 'colour'}, values {low} to {high}",
    ]
    if unreadable := info["origin"].get("unreadable"):
        lines.append(f"  skipped     {len(unreadable)} unreadable files")
    attributes = prepared.split("train").attributes
    shares = []
    for column, name in enumerate(prepared.attributes):
        values = attributes[:, column]
        if name in info["classes"]:
            lines.append(f"  {name:<11} {len(info['classes'][name])} classes: {', '.join(info['classes'][name][:12])}")
        else:
            shares.append(f"{name} {values.mean():.0%}")
    if shares:
        lines.append(f"  attributes  {', '.join(shares)}")
    return "\n".join(lines)
