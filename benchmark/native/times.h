/* Durations of inferences and how benchmark_model prints them. */
#ifndef EFLD_TIMES_H
#define EFLD_TIMES_H

#include <stddef.h>
#include <stdint.h>

struct times {
  int64_t *ns;
  size_t count, room;
};

int64_t now_ns(void);
void add_time(struct times *times, int64_t ns);

/* Mean of whole microseconds, which is what benchmark_model measures in. */
double mean_us(const struct times *times);

/* The line of tsl::StatWithPercentiles::OutputToStream (xla/tsl/util/stats_calculator.h). */
void print_times(const struct times *times);

/* One a line, nanoseconds, in the order of the runs. */
void write_times(const struct times *times, const char *path);

#endif
