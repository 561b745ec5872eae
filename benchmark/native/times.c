#include "times.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "options.h"

int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void add_time(struct times *times, int64_t ns) {
  if (times->count == times->room) {
    times->room = times->room ? 2 * times->room : 1024;
    times->ns = realloc(times->ns, times->room * sizeof *times->ns);
    if (!times->ns) die("no memory for %zu times", times->room);
  }
  times->ns[times->count++] = ns;
}

double mean_us(const struct times *times) {
  double sum = 0;
  for (size_t i = 0; i < times->count; i++) sum += (double)(times->ns[i] / 1000);
  return sum / (double)times->count;
}

/* Truncated, as there, where variance and deviation are integers. */
static long long deviation_us(const struct times *times) {
  double mean = mean_us(times);
  double squares = 0;
  for (size_t i = 0; i < times->count; i++) {
    double us = (double)(times->ns[i] / 1000);
    squares += us * us;
  }
  double variance = squares / (double)times->count - mean * mean;
  return (long long)sqrt(floor(fmax(variance, 0)));
}

static int ascending(const void *left, const void *right) {
  int64_t a = *(const int64_t *)left;
  int64_t b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

void print_times(const struct times *times) {
  size_t count = times->count;
  long long *us = malloc(count * sizeof *us);
  if (!us) die("no memory for %zu times", count);
  for (size_t i = 0; i < count; i++) us[i] = times->ns[i] / 1000;
  long long first = times->ns[0] / 1000;
  long long last = times->ns[count - 1] / 1000;
  qsort(us, count, sizeof *us, ascending);
  if (us[0] == us[count - 1])
    printf("INFO: count=%zu curr=%lld%s", count, last, count > 1 ? "(all same)" : "");
  else
    printf("INFO: count=%zu first=%lld curr=%lld min=%lld max=%lld avg=%g std=%lld", count, first,
           last, us[0], us[count - 1], mean_us(times), deviation_us(times));
  printf(" p5=%lld median=%lld p95=%lld\n\n", us[count * 5 / 100], us[count * 50 / 100],
         us[count * 95 / 100]);
  free(us);
}

void write_times(const struct times *times, const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) die("%s: cannot be written", path);
  for (size_t i = 0; i < times->count; i++) fprintf(file, "%lld\n", (long long)times->ns[i]);
  if (ferror(file) || fclose(file) != 0) die("%s: cannot be written", path);
}
