/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A plugin for QEMU's user-mode emulation of aarch64: counts the instructions between two marker
 * system calls, by class, and writes a JSON line for each such stretch:
 *
 *   qemu-aarch64 -plugin arm_count.so,out=counts.jsonl PROGRAM
 *
 * Only this file is under the GPL, as QEMU is, whose interface it declares below: Debian 12
 * packages no header. That is version 1 of the interface, which QEMU 7.2 has; a QEMU that no longer
 * has it says so and does not start. Counters are plain variables: exact for one thread.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                enum qemu_plugin_op op, void *counter,
                                                uint64_t amount);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t,
                                                              struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t id, void (*called)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t,
                                        uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { MARK = 20816, MARK_BEGIN = 1, MARK_END = 2 }; /* runner.c makes these calls */

enum class { FMLA_F32, FMLA_F16, SDOT, SMMLA, SMULL, LOAD_STORE, OTHER_VECTOR, OTHER, CLASSES };
static const char *const NAMES[CLASSES] = {"fmla_f32",   "fmla_f16",     "sdot", "smmla", "smull",
                                           "load_store", "other_vector", "other"};

/* An instruction belongs to the first row whose bits it has. Arm ARM, C4.1 "A64 instruction set
 * encoding": load/store is x1x0 in bits 28..25, SIMD and floating point x111. */
static const struct {
  enum class class;
  uint32_t mask, bits;
} ROWS[] = {
    {FMLA_F32, 0xBFE0FC00, 0x0E20CC00},   /* fmla v.4s, v.4s, v.4s */
    {FMLA_F32, 0xBFC0F400, 0x0F801000},   /* fmla v.4s, v.4s, v.s[i] */
    {FMLA_F16, 0xBFE0FC00, 0x0E400C00},   /* fmla v.8h, v.8h, v.8h */
    {FMLA_F16, 0xBFC0F400, 0x0F001000},   /* fmla v.8h, v.8h, v.h[i] */
    {SDOT, 0xBFE0FC00, 0x0E809400},       /* sdot v.4s, v.16b, v.16b */
    {SDOT, 0xBFC0F400, 0x0F80E000},       /* sdot v.4s, v.16b, v.4b[i] */
    {SMMLA, 0xFFE0FC00, 0x4E80A400},      /* smmla v.4s, v.16b, v.16b */
    {SMULL, 0xBF20FC00, 0x0E20C000},      /* smull, smull2: v.8h, v.8b, v.8b and wider */
    {SMULL, 0xBF20FC00, 0x0E208000},      /* smlal, smlal2 */
    {SMULL, 0xBF00F400, 0x0F00A000},      /* smull by element */
    {SMULL, 0xBF00F400, 0x0F002000},      /* smlal by element */
    {LOAD_STORE, 0x0A000000, 0x08000000},
    {OTHER_VECTOR, 0x0E000000, 0x0E000000},
    {OTHER, 0, 0},
};

static uint64_t counts[CLASSES];
static uint64_t begin[CLASSES];
static FILE *out;

static enum class class_of(uint32_t word) {
  int row = 0;
  while ((word & ROWS[row].mask) != ROWS[row].bits) row++;
  return ROWS[row].class;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    uint32_t word;
    memcpy(&word, qemu_plugin_insn_data(insn), sizeof word);
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
                                               &counts[class_of(word)], 1);
  }
}

static void write_line(uint64_t run) {
  fprintf(out, "{\"run\": %llu", (unsigned long long)run);
  for (int i = 0; i < CLASSES; i++)
    fprintf(out, ", \"%s\": %llu", NAMES[i], (unsigned long long)(counts[i] - begin[i]));
  fputs("}\n", out);
  fflush(out);
}

static void on_syscall(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t what,
                       uint64_t run, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                       uint64_t a7, uint64_t a8) {
  (void)id, (void)vcpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (number == MARK && what == MARK_BEGIN) memcpy(begin, counts, sizeof begin);
  if (number == MARK && what == MARK_END) write_line(run);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv) {
  (void)info;
  if (argc == 1 && strncmp(argv[0], "out=", 4) == 0) out = fopen(argv[0] + 4, "w");
  if (!out) {
    fputs("ERROR: expected -plugin arm_count.so,out=PATH with a path that can be written\n", stderr);
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  return 0;
}
