/* A plugin of QEMU that counts executed instructions by symbol. Built when it is needed:
 * gcc -O2 -shared -fPIC. The prototypes are those of version 1 of QEMU's plugin interface.
 * Arguments: out=FILE, which gets a line "COUNT SYMBOL" for every symbol; and, where parts of the run are wanted,
 * mark=TEXT: whenever a function is entered whose symbol has this in it, the counts since the last time are written, then
 * a line "mark". */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t id_t_;
struct tb;
struct insn;
enum op { ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(id_t_ id, void (*cb)(id_t_, struct tb *));
void qemu_plugin_register_atexit_cb(id_t_ id, void (*cb)(id_t_, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct tb *tb);
struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t index);
const char *qemu_plugin_insn_symbol(const struct insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct insn *insn);
enum flags { NO_REGISTERS };
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *insn, void (*cb)(unsigned int, void *), enum flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct insn *insn, enum op op, void *counter, uint64_t add);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static struct { char name[256]; uint64_t count, written; } symbols[4096];
static size_t known;
static char out[1024], mark[256];
static uint64_t entry;
static FILE *file;

static uint64_t *counter(const char *name) {
    if (!name) name = "?";
    for (size_t k = 0; k < known; k++)
        if (!strncmp(symbols[k].name, name, 255)) return &symbols[k].count;
    if (known == 4096) return &symbols[4095].count;
    strncpy(symbols[known].name, name, 255);
    return &symbols[known++].count;
}

static void write_counts(void) {
    if (!file) file = fopen(out, "w");
    if (!file) return;
    for (size_t k = 0; k < known; k++) {
        uint64_t count = symbols[k].count - symbols[k].written;
        if (count) fprintf(file, "%llu %s\n", (unsigned long long)count, symbols[k].name);
        symbols[k].written = symbols[k].count;
    }
}

static void marked(unsigned int cpu, void *data) {
    write_counts();
    if (file) fputs("mark\n", file);
}

/* Whether a function with the mark starts here: the first of its instructions to be translated is its first. */
static int is_mark(const struct insn *insn) {
    const char *name = qemu_plugin_insn_symbol(insn);
    if (!mark[0] || !name || !strstr(name, mark)) return 0;
    if (!entry) entry = qemu_plugin_insn_vaddr(insn);
    return qemu_plugin_insn_vaddr(insn) == entry;
}

static void translated(id_t_ id, struct tb *tb) {
    for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++) {
        struct insn *insn = qemu_plugin_tb_get_insn(tb, k);
        if (is_mark(insn)) qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, NO_REGISTERS, 0);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, counter(qemu_plugin_insn_symbol(insn)), 1);
    }
}

static void ended(id_t_ id, void *data) {
    write_counts();
    if (file) fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(id_t_ id, const void *info, int argc, char **argv) {
    for (int k = 0; k < argc; k++) {
        if (!strncmp(argv[k], "out=", 4)) snprintf(out, sizeof out, "%s", argv[k] + 4);
        if (!strncmp(argv[k], "mark=", 5)) snprintf(mark, sizeof mark, "%s", argv[k] + 5);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, 0);
    return 0;
}
