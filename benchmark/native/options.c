#include "options.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* benchmark_model's defaults, but for one thread where it leaves the number to the library. */
struct options options = {
    .num_threads = 1,
    .num_runs = 50,
    .min_secs = 1,
    .max_secs = 150,
    .warmup_runs = 1,
    .warmup_min_secs = 0.5,
    .use_xnnpack = true,
    .seed = 1,
};

enum kind { TEXT, NUMBER, SWITCH };

static const char *const EXPECTED[] = {"=TEXT", "=NUMBER, 0 or more", "=true or =false"};

#define FLAG(name, kind) {"--" #name, kind, &options.name}
static const struct {
  const char *name;
  enum kind kind;
  void *value;
} FLAGS[] = {
    FLAG(graph, TEXT),
    FLAG(input_layer, TEXT),
    FLAG(input_layer_shape, TEXT),
    FLAG(input_layer_value_files, TEXT),
    FLAG(output_filepath, TEXT),
    FLAG(num_threads, NUMBER),
    FLAG(num_runs, NUMBER),
    FLAG(min_secs, NUMBER),
    FLAG(max_secs, NUMBER),
    FLAG(warmup_runs, NUMBER),
    FLAG(warmup_min_secs, NUMBER),
    FLAG(use_xnnpack, SWITCH),
    FLAG(xnnpack_force_fp16, SWITCH),
    FLAG(library, TEXT),
    FLAG(latencies, TEXT),
    FLAG(seed, NUMBER),
    FLAG(mark, SWITCH),
};
enum { FLAG_COUNT = sizeof FLAGS / sizeof *FLAGS };

void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fflush(stdout);
  fputs("ERROR: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(2);
}

static bool parse_number(const char *text, double *value) {
  char *rest;
  *value = strtod(text, &rest);
  return rest != text && *rest == '\0' && isfinite(*value) && *value >= 0;
}

static bool parse_switch(const char *text, bool *value) {
  *value = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
  return *value || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

static bool parse_value(int flag, const char *text) {
  switch (FLAGS[flag].kind) {
    case TEXT:
      *(const char **)FLAGS[flag].value = text;
      return *text != '\0';
    case NUMBER:
      return parse_number(text, FLAGS[flag].value);
    default:
      return parse_switch(text, FLAGS[flag].value);
  }
}

static void parse_option(const char *argument) {
  size_t length = strcspn(argument, "=");
  for (int i = 0; i < FLAG_COUNT; i++) {
    if (strlen(FLAGS[i].name) != length || strncmp(argument, FLAGS[i].name, length) != 0) continue;
    if (argument[length] == '=' && parse_value(i, argument + length + 1)) return;
    die("%s: expected %s%s", argument, FLAGS[i].name, EXPECTED[FLAGS[i].kind]);
  }
  die("%s: unknown flag; options.h lists them", argument);
}

void parse_options(int count, char **arguments) {
  for (int i = 1; i < count; i++) parse_option(arguments[i]);
  if (!options.graph || !options.library) die("expected --graph=FILE.tflite and --library=FILE.so");
  if (options.num_threads < 1) die("--num_threads=%g: expected 1 or more", options.num_threads);
}
