/* Times a .tflite file through TensorFlow Lite's C API, from any library that exports it:
 * libLiteRtRuntimeCApi.so of the ai-edge-litert wheel, libtensorflowlite_jni.so of the Android
 * package, libtensorflowlite_c.so. Needs no header of theirs.
 *
 * Flags (options.h) and output are those of Google's benchmark_model, so that scripts and parsers
 * for the one fit the other. An error is one line on stderr and exit code 2.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "options.h"
#include "times.h"

enum { MARK = 20816, MARK_BEGIN = 1, MARK_END = 2 };    /* arm_count.c knows them */
enum { XNNPACK_QUANTIZED = 3, XNNPACK_FORCE_FP16 = 4 }; /* bits of the delegate's flags */
enum { FLOAT32 = 1, INT32 = 2, UINT8 = 3, INT64 = 4, BOOL = 6, INT8 = 9, FLOAT16 = 10 };

/* TfLiteXNNPackDelegateOptions: num_threads, flags, ...; TensorFlow 2.20 has runtime_flags between
 * the two. Larger than in any version: the library fills as much as it knows. */
typedef struct {
  uint32_t words[128];
} XnnpackOptions;

#define CORE_API(X)                                                    \
  X(const char *, TfLiteVersion, (void))                               \
  X(void *, TfLiteModelCreateFromFile, (const char *))                 \
  X(void *, TfLiteInterpreterOptionsCreate, (void))                    \
  X(void, TfLiteInterpreterOptionsSetNumThreads, (void *, int32_t))    \
  X(void, TfLiteInterpreterOptionsAddDelegate, (void *, void *))       \
  X(void *, TfLiteInterpreterCreate, (void *, void *))                 \
  X(int, TfLiteInterpreterAllocateTensors, (void *))                   \
  X(int, TfLiteInterpreterInvoke, (void *))                            \
  X(int32_t, TfLiteInterpreterGetInputTensorCount, (void *))           \
  X(void *, TfLiteInterpreterGetInputTensor, (void *, int32_t))        \
  X(int32_t, TfLiteInterpreterGetOutputTensorCount, (void *))          \
  X(const void *, TfLiteInterpreterGetOutputTensor, (void *, int32_t)) \
  X(const char *, TfLiteTensorName, (const void *))                    \
  X(int, TfLiteTensorType, (const void *))                             \
  X(int32_t, TfLiteTensorNumDims, (const void *))                      \
  X(int32_t, TfLiteTensorDim, (const void *, int32_t))                 \
  X(size_t, TfLiteTensorByteSize, (const void *))                      \
  X(void *, TfLiteTensorData, (const void *))
#define XNNPACK_API(X)                                           \
  X(XnnpackOptions, TfLiteXNNPackDelegateOptionsDefault, (void)) \
  X(void *, TfLiteXNNPackDelegateCreate, (const XnnpackOptions *))

#define DECLARE(result, name, arguments) static result(*name) arguments;
CORE_API(DECLARE)
XNNPACK_API(DECLARE)

static void *symbol(void *from, const char *name) {
  void *found = dlsym(from, name);
  if (!found) die("%s: has no %s, expected TensorFlow Lite's C API", options.library, name);
  return found;
}

static void load_library(void) {
  void *loaded = dlopen(options.library, RTLD_NOW | RTLD_LOCAL);
  if (!loaded) die("%s: cannot be loaded (%s)", options.library, dlerror());
#define LOAD(result, name, arguments) *(void **)&name = symbol(loaded, #name);
  CORE_API(LOAD)
  if (options.use_xnnpack) {
    XNNPACK_API(LOAD)
  }
  printf("INFO: TensorFlow Lite %s: [%s]\n", TfLiteVersion(), options.library);
}

static void *xnnpack(void) {
  XnnpackOptions xnnpack = TfLiteXNNPackDelegateOptionsDefault();
  xnnpack.words[0] = (uint32_t)options.num_threads;
  /* The flags are where the default has quantized ops on; 0: in neither place. */
  int at = xnnpack.words[1] & XNNPACK_QUANTIZED ? 1 : xnnpack.words[2] & XNNPACK_QUANTIZED ? 2 : 0;
  if (options.xnnpack_force_fp16 && !at)
    die("%s: its XNNPACK options are of an unknown form: fp16 cannot be forced", options.library);
  if (options.xnnpack_force_fp16) xnnpack.words[at] |= XNNPACK_FORCE_FP16;
  printf("INFO: XNNPACK: threads [%u], ", xnnpack.words[0]);
  printf(at ? "flags [0x%x]\n" : "flags unknown\n", xnnpack.words[at]);
  void *delegate = TfLiteXNNPackDelegateCreate(&xnnpack);
  if (!delegate) die("%s: XNNPACK refuses its options", options.library);
  return delegate;
}

static void *open_interpreter(void) {
  void *model = TfLiteModelCreateFromFile(options.graph);
  if (!model) die("%s: expected a .tflite file, found something else or nothing", options.graph);
  void *settings = TfLiteInterpreterOptionsCreate();
  TfLiteInterpreterOptionsSetNumThreads(settings, (int32_t)options.num_threads);
  if (options.use_xnnpack) TfLiteInterpreterOptionsAddDelegate(settings, xnnpack());
  void *interpreter = TfLiteInterpreterCreate(model, settings);
  if (!interpreter || TfLiteInterpreterAllocateTensors(interpreter) != 0)
    die("%s: this library cannot run it on this processor with these flags", options.graph);
  return interpreter;
}

static void check_layers(void *interpreter) {
  char names[4096] = "", shapes[4096] = "";
  for (int32_t i = 0; i < TfLiteInterpreterGetInputTensorCount(interpreter); i++) {
    const void *tensor = TfLiteInterpreterGetInputTensor(interpreter, i);
    size_t end = strlen(names);
    snprintf(names + end, sizeof names - end, "%s%s", i ? "," : "", TfLiteTensorName(tensor));
    for (int32_t k = 0; k < TfLiteTensorNumDims(tensor); k++) {
      end = strlen(shapes);
      snprintf(shapes + end, sizeof shapes - end, "%s%d", k ? "," : i ? ":" : "",
               TfLiteTensorDim(tensor, k));
    }
  }
  if (options.input_layer && strcmp(options.input_layer, names) != 0)
    die("--input_layer=%s: the file has %s", options.input_layer, names);
  if (options.input_layer_shape && strcmp(options.input_layer_shape, shapes) != 0)
    die("--input_layer_shape=%s: the file has %s", options.input_layer_shape, shapes);
}

static void read_values(const char *path, void *data, size_t bytes) {
  FILE *file = fopen(path, "rb");
  if (!file) die("%s: cannot be read", path);
  size_t found = fread(data, 1, bytes, file);
  if (found != bytes || fgetc(file) != EOF) die("%s: expected %zu bytes", path, bytes);
  fclose(file);
}

static size_t width_bytes(const void *tensor) {
  switch (TfLiteTensorType(tensor)) {
    case INT64:
      return 8;
    case FLOAT32:
    case INT32:
      return 4;
    case FLOAT16:
      return 2;
    case BOOL:
    case UINT8:
    case INT8:
      return 1;
    default:
      die("input %s: type %d, expected numbers", TfLiteTensorName(tensor), TfLiteTensorType(tensor));
  }
}

/* Floats 0..1, bytes over their range, other integers 0 or 1: they may be indices. */
static uint64_t random_value(int type, uint32_t bits) {
  float real = (float)(bits >> 8) / 16777216;
  uint32_t word;
  memcpy(&word, &real, sizeof word);
  if (type == FLOAT32) return word;
  if (type == FLOAT16) return 0x3800 | (bits >> 22); /* 0.5..1 */
  return type == UINT8 || type == INT8 ? bits >> 24 : bits >> 31;
}

static void fill_random(const void *tensor, uint64_t *state) {
  uint8_t *data = TfLiteTensorData(tensor);
  size_t width = width_bytes(tensor);
  for (size_t i = 0; i < TfLiteTensorByteSize(tensor); i += width) {
    *state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
    uint64_t value = random_value(TfLiteTensorType(tensor), (uint32_t)(*state >> 32));
    memcpy(data + i, &value, width); /* little endian, as ARM and x86 are */
  }
}

/* Gives each input its file's values, or random ones; every file must belong to an input. */
static void fill_inputs(void *interpreter) {
  char *list = strdup(options.input_layer_value_files ? options.input_layer_value_files : "");
  uint64_t state = (uint64_t)options.seed;
  int32_t count = TfLiteInterpreterGetInputTensorCount(interpreter);
  for (int32_t i = 0; i < count; i++)
    fill_random(TfLiteInterpreterGetInputTensor(interpreter, i), &state);
  for (char *item = strtok(list, ","); item; item = strtok(NULL, ",")) {
    char *colon = strrchr(item, ':'); /* names as serving_default_image:0 hold one */
    if (!colon) die("--input_layer_value_files: %s: expected NAME:PATH", item);
    *colon = '\0';
    const void *tensor = NULL;
    for (int32_t i = 0; i < count && !tensor; i++) {
      const void *candidate = TfLiteInterpreterGetInputTensor(interpreter, i);
      if (strcmp(TfLiteTensorName(candidate), item) == 0) tensor = candidate;
    }
    if (!tensor) die("--input_layer_value_files: %s: the file has no such input", item);
    read_values(colon + 1, TfLiteTensorData(tensor), TfLiteTensorByteSize(tensor));
  }
  free(list);
}

static void write_outputs(void *interpreter) {
  FILE *file = fopen(options.output_filepath, "wb");
  bool written = file != NULL;
  for (int32_t i = 0; written && i < TfLiteInterpreterGetOutputTensorCount(interpreter); i++) {
    const void *tensor = TfLiteInterpreterGetOutputTensor(interpreter, i);
    size_t bytes = TfLiteTensorByteSize(tensor);
    written = fwrite(TfLiteTensorData(tensor), 1, bytes, file) == bytes;
  }
  if (!written || fclose(file) != 0) die("%s: cannot be written", options.output_filepath);
}

static double memory_mb(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss / 1024;
}

static int64_t run_once(void *interpreter, bool mark, size_t run) {
  int64_t begin_ns = now_ns();
  if (mark) syscall(MARK, MARK_BEGIN, run);
  int failed = TfLiteInterpreterInvoke(interpreter);
  if (mark) syscall(MARK, MARK_END, run);
  int64_t end_ns = now_ns();
  if (failed) die("%s: inference %zu failed", options.graph, run);
  return end_ns - begin_ns;
}

static struct times run_all(void *interpreter, double runs, double secs, bool mark) {
  struct times times = {0};
  printf("INFO: Running benchmark for at least %g iterations and at least %g seconds but terminate "
         "if exceeding %g seconds.\n",
         runs, secs, options.max_secs);
  int64_t begin_ns = now_ns();
  double passed_secs = 0;
  while (((double)times.count < runs || passed_secs < secs) && passed_secs <= options.max_secs) {
    add_time(&times, run_once(interpreter, mark, times.count));
    passed_secs = (double)(now_ns() - begin_ns) / 1e9;
  }
  if (!times.count) die("expected flags that leave a warm-up run and a timed run, found none");
  print_times(&times);
  return times;
}

static void print_file_size(void) {
  struct stat file;
  if (stat(options.graph, &file) == 0)
    printf("INFO: The input model file size (MB): %g\n", (double)file.st_size / 1e6);
}

int main(int count, char **arguments) {
  parse_options(count, arguments);
  printf("INFO: STARTING!\nINFO: Graph: [%s]\n", options.graph);
  printf("INFO: Num threads: [%g]\n", options.num_threads);
  double start_mb = memory_mb();
  int64_t start_ns = now_ns();
  load_library();
  void *interpreter = open_interpreter();
  int64_t init_us = (now_ns() - start_ns) / 1000;
  double init_mb = memory_mb() - start_mb;
  print_file_size();
  printf("INFO: Initialized session in %gms.\n", (double)init_us / 1e3);
  check_layers(interpreter);
  fill_inputs(interpreter);
  struct times warmup = run_all(interpreter, options.warmup_runs, options.warmup_min_secs, false);
  struct times timed = run_all(interpreter, options.num_runs, options.min_secs, options.mark);
  if (options.latencies) write_times(&timed, options.latencies);
  if (options.output_filepath) write_outputs(interpreter);
  printf("INFO: Inference timings in us: Init: %lld, First inference: %lld, Warmup (avg): %g, "
         "Inference (avg): %g\n",
         (long long)init_us, (long long)(warmup.ns[0] / 1000), mean_us(&warmup), mean_us(&timed));
  printf("INFO: Memory footprint delta from the start of the tool (MB): init=%g overall=%g\n",
         init_mb, memory_mb() - start_mb);
  return 0;
}
