"""A finished model that sees every face mirrored, too."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from efld import run_files
from efld.models import zoo
from efld.models.mirrored import SUFFIX, mirrored
from train import finished
from train.finished import Finished

if TYPE_CHECKING:
    from train.feed import Say

HELP = """Makes of a finished model one that looks at a face twice, as it is and mirrored, and
answers with the mean: less error by the same weights, in twice the time. Nothing is trained; the
result goes on as any run. Says what it brings on training faces that the preset holds out.

examples:
  python -m train mirror runs/NAME --data ~/300w
  python -m train mirror pretrained/efld-small-160px --data ~/300w --out runs/twice"""


def main(argv: Sequence[str], say: "Say") -> None:
    """Writes model.keras, spec.json and mirror.json, and says what the second look brings.

    Raises:
        InputError: no such run, other weights than its spec names, no training faces, a folder
            with something else, or a model that `mirrored` refuses.
    """
    given = finished.parser("mirror", HELP, SUFFIX).parse_args(argv)
    out = finished.out_of(given, SUFFIX, run_files.MIRROR)
    source = Finished.read(given.run, given.data)
    twice = mirrored(source.model, source.spec.scheme)
    nme_percent = {"once": source.nme_percent(source.model), "twice": source.nme_percent(twice)}
    told = {"command": finished.command("mirror", given), "nme_percent": nme_percent}
    source.write(out, twice, SUFFIX, run_files.MIRROR, told)
    say(
        f"{out}/model.keras: NME {nme_percent['once']:.3f} -> {nme_percent['twice']:.3f} % on "
        f"{len(source.held)} held-out faces, twice {zoo.multiply_adds(source.model) / 1e6:.1f} M "
        f"multiply-adds. Next: python -m export {out} --data {given.data}"
    )
