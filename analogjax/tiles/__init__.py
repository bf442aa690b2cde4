"""Arrays of crosspoints: one tile, and stacks of tiles that together hold one weight matrix."""

from analogjax.tiles._counter import Counter as Counter
from analogjax.tiles._lines import pick as pick
from analogjax.tiles._lines import put_lines as put_lines
from analogjax.tiles._lines import take_lines as take_lines
from analogjax.tiles._mapping import part_sizes as part_sizes
from analogjax.tiles._mapping import weight_scale as weight_scale
from analogjax.tiles._saturation import saturation as saturation
from analogjax.tiles._stack import TileStack as TileStack
from analogjax.tiles._stack import age as age
from analogjax.tiles._stack import count_pulses as count_pulses
from analogjax.tiles._stack import count_reads as count_reads
from analogjax.tiles._stack import count_trains as count_trains
from analogjax.tiles._stack import effective_weight as effective_weight
from analogjax.tiles._stack import of_one_device as of_one_device
from analogjax.tiles._stack import program_stack as program_stack
from analogjax.tiles._stack import replace_lines as replace_lines
from analogjax.tiles._stack import replace_tile as replace_tile
from analogjax.tiles._tile import Tile as Tile
from analogjax.tiles._tile import aged as aged
from analogjax.tiles._tile import program_tile as program_tile
from analogjax.tiles._tile import read as read
from analogjax.tiles._tile import weight as weight
from analogjax.tiles._tile import written as written

__all__ = [
    "Counter",
    "Tile",
    "TileStack",
    "age",
    "aged",
    "count_pulses",
    "count_reads",
    "count_trains",
    "effective_weight",
    "of_one_device",
    "part_sizes",
    "pick",
    "program_stack",
    "program_tile",
    "put_lines",
    "read",
    "replace_lines",
    "replace_tile",
    "saturation",
    "take_lines",
    "weight",
    "weight_scale",
    "written",
]
