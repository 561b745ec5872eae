"""Logs of benchmark_model that people published, word for word, and what is read from them."""

import pytest

from benchmark import benchmark_text
from efld.errors import InputError

# An Android phone, CPU, four threads: public logs kept in a speech-separation project.
PHONE = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Num threads: [4]
INFO: Graph: [/data/local/tmp/mask_estimator_phy.tflite]
INFO: Signature to run: []
INFO: #threads used for CPU inference: [4]
INFO: Loaded model /data/local/tmp/mask_estimator_phy.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 49 out of 49 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 \
partitions for subgraph 0.
INFO: The input model file size (MB): 16.1527
INFO: Initialized session in 102.32ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=1 curr=670083 p5=670083 median=670083 p95=670083

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=50 first=591245 curr=917186 min=502355 max=2270688 avg=699438 std=325425 p5=502674 \
median=576856 p95=1373207

INFO: Inference timings in us: Init: 102320, First inference: 670083, Warmup (avg): 670083, \
Inference (avg): 699438
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at your \
discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=98.0977 overall=99.2031
"""

# The same phone with --use_gpu=true --use_nnapi=true, from the delegates on.
PHONE_GPU = """\
INFO: Going to apply 2 delegates one after another.
INFO: Loaded OpenCL library with dlopen.
VERBOSE: Replacing 49 out of 49 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 \
partitions for subgraph 0.
INFO: Initialized OpenCL-based API.
INFO: Created 1 GPU delegate kernels.
INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the \
delegate.
INFO: Though NNAPI delegate is explicitly applied, the model graph will not be executed by the \
delegate.
INFO: The input model file size (MB): 16.1527
INFO: Initialized session in 5664.36ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=2 first=328140 curr=309932 min=309932 max=328140 avg=319036 std=9104 p5=309932 \
median=328140 p95=328140

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=50 first=307215 curr=309783 min=305938 max=333030 avg=309350 std=4411 p5=306372 \
median=307968 p95=315711

INFO: Inference timings in us: Init: 5664363, First inference: 328140, Warmup (avg): 319036, \
Inference (avg): 309350
"""

# Larq's documentation: a Raspberry Pi 4B, an older version without prefixes and percentiles.
LARQ = """\
The input model file size (MB): 3.34914
Initialized session in 3.501ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=12 first=156677 curr=33205 min=32578 max=156677 avg=43268.1 std=34197

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=33228 curr=33130 min=32687 max=33239 avg=33071.8 std=129

Inference timings in us: Init: 3501, First inference: 156677, Warmup (avg): 43268.1, Inference (avg): 33071.8
"""  # noqa: E501

# The Android app, through logcat.
LOGCAT = """\
07-14 13:14:52.113 22838 22838 I tflite  : Created TensorFlow Lite XNNPACK delegate for CPU.
07-14 13:14:52.115 22838 22838 I tflite  : Replacing 539 out of 548 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 19 partitions for subgraph 0.
07-14 13:14:52.859 22838 22838 I tflite  : count=3 first=235158 curr=200386 min=199462 max=235158 avg=211669 std=16613 p5=199462 median=200386 p95=235158
07-14 13:14:56.520 22838 22838 I tflite  : count=25 first=187533 curr=140990 min=140071 max=195121 avg=145528 std=13583 p5=140545 median=141253 p95=187533
07-14 13:14:56.521 22838 22838 I tflite  : Inference timings in us: Init: 92318, First inference: 235158, Warmup (avg): 211669, Inference (avg): 145528
07-14 13:14:56.521 22838 22838 I tflite  : Memory footprint delta from the start of the tool (MB): init=54.2852 overall=73.4102
"""  # noqa: E501


def test_a_phone_s_log_is_read_whole() -> None:
    found = benchmark_text.parse(PHONE, "phone")
    assert found == benchmark_text.BenchmarkText(
        init_us=102320,
        first_us=670083,
        mean_us=699438,
        count=50,
        median_us=576856,
        p95_us=1373207,
        overall_mb=99.2031,
        explicit={},
    )


def test_what_a_delegate_took_is_read() -> None:
    found = benchmark_text.parse(PHONE_GPU, "phone")
    assert found.explicit == {"GPU": "completely", "NNAPI": "not"}
    assert found.overall_mb is None


def test_older_versions_have_no_percentiles() -> None:
    found = benchmark_text.parse(LARQ, "pi")
    assert (found.count, found.mean_us) == (50, 33071.8)
    assert (found.median_us, found.p95_us) == (None, None)


def test_logcat_s_columns_are_skipped() -> None:
    found = benchmark_text.parse(LOGCAT.replace("\n", "\r\n"), "app")
    assert (found.count, found.median_us, found.overall_mb) == (25, 141253, 73.4102)


def test_equal_times_are_a_single_number() -> None:
    """`Stat::OutputToStream` prints nothing but `curr` then."""
    text = LARQ.replace(
        "count=50 first=33228 curr=33130 min=32687 max=33239 avg=33071.8 std=129",
        "count=50 curr=33072(all same)",
    )
    found = benchmark_text.parse(text.replace("(avg): 33071.8", "(avg): 33072"), "pi")
    assert (found.count, found.mean_us) == (50, 33072)


@pytest.mark.parametrize("kept", [0, 1, 8, 13, 17])
def test_an_output_that_ends_early_is_an_error(kept: int) -> None:
    cut = "\n".join(PHONE.splitlines()[:kept])
    with pytest.raises(InputError, match=r"^pixel: .*run it again\.$"):
        benchmark_text.parse(cut, "pixel")


def test_the_tool_s_own_error_is_passed_on() -> None:
    text = "INFO: STARTING!\nERROR: Failed to apply GPU delegate.\nERROR: Benchmarking failed.\n"
    with pytest.raises(InputError, match=r"found 'ERROR: Benchmarking failed\.' after 3 lines"):
        benchmark_text.parse(text, "pixel")


def test_the_warm_up_s_line_is_never_taken_for_the_timed_one() -> None:
    lost = "\n".join(line for line in LARQ.splitlines() if "count=50" not in line)
    with pytest.raises(InputError, match="Lines were lost"):
        benchmark_text.parse(lost, "pixel")


def test_two_runs_in_one_text_are_an_error() -> None:
    with pytest.raises(InputError, match="2 runs in one output"):
        benchmark_text.parse(LARQ + LARQ, "pixel")
