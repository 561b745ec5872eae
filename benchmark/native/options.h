/* The runner's flags: those of Google's benchmark_model, as far as it has them, and ours. */
#ifndef EFLD_OPTIONS_H
#define EFLD_OPTIONS_H

#include <stdbool.h>

struct options {
  const char *graph;                   /* the .tflite file; required */
  const char *input_layer;             /* names, "a,b", and shapes, "1,112,112,1:1,2": checked */
  const char *input_layer_shape;       /* against the file's own */
  const char *input_layer_value_files; /* "a:PATH,b:PATH", raw values; other inputs are random */
  const char *output_filepath;         /* gets the raw values of all outputs, one after another */
  double num_threads;
  double num_runs, min_secs, max_secs;
  double warmup_runs, warmup_min_secs;
  bool use_xnnpack, xnnpack_force_fp16;
  /* Ours. */
  const char *library;   /* whose C API is used; required */
  const char *latencies; /* gets the timed runs in order, nanoseconds, one a line */
  double seed;           /* of random inputs */
  bool mark;             /* unknown system calls around each timed run, for arm_count.c. Not for
                            Android apps, which are killed for it; a shell is not */
};

extern struct options options;

/* Fills `options` with `--name=value`s; dies of an unknown or malformed one. */
void parse_options(int count, char **arguments);

/* One line on stderr, then exit code 2. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

#endif
