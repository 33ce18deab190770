/* Ocellus: runs a plan in memory that the caller owns. Nothing allocates; nothing aborts.
 *
 *     ocellus_sizes(plan, len, &sizes);                    what memory the plan needs
 *     ocellus_load(&session, plan, len, steps, words, arena, bytes);
 *     ocellus_set_input(&session, 0, OCELLUS_F32, picture, 784);
 *     ocellus_run(&session);
 *     ocellus_get_output(&session, 0, OCELLUS_F32, scores, 10);
 *
 * Every function returns OCELLUS_OK or what is wrong; ocellus_message() says it in words. A session is used by one thread
 * at a time; sessions of one plan may run at once, each with steps and arena of its own.
 */
#ifndef OCELLUS_H
#define OCELLUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t ocellus_status;
enum {
    OCELLUS_OK = 0,
    OCELLUS_NULL = 1,
    OCELLUS_TRUNCATED = 2,
    OCELLUS_NOT_A_PLAN = 3,
    OCELLUS_VERSION = 4,
    OCELLUS_CHECKSUM = 5,
    OCELLUS_DAMAGED = 6,
    OCELLUS_PLAN_MISALIGNED = 7,
    OCELLUS_STEP_MEMORY = 8,
    OCELLUS_ARENA_TOO_SMALL = 9,
    OCELLUS_ARENA_MISALIGNED = 10,
    OCELLUS_UNSUPPORTED = 11,
    OCELLUS_NOT_LOADED = 12,
    OCELLUS_NO_SUCH_PORT = 13,
    OCELLUS_WRONG_TYPE = 14,
    OCELLUS_WRONG_LENGTH = 15,
    OCELLUS_VALUES_MISALIGNED = 16,
    OCELLUS_SELF_TEST = 17,
    OCELLUS_NOT_A_NUMBER = 18,
};

/* Element types, as the model declares them. */
typedef int32_t ocellus_type;
enum {
    OCELLUS_F32 = 0,
    OCELLUS_I8 = 1,
    OCELLUS_U8 = 2,
    OCELLUS_I32 = 3,
    OCELLUS_I64 = 4,
    OCELLUS_BOOL = 5, /* one byte */
};

/* The memory that a plan needs. */
typedef struct {
    size_t arena_bytes;
    size_t arena_align; /* in bytes, a power of two */
    size_t step_words;  /* of 4 bytes */
    size_t inputs;
    size_t outputs;
} ocellus_plan_sizes;

/* An input or output. */
typedef struct {
    const char *name; /* UTF-8 without a zero byte; lies in the plan */
    size_t name_len;
    size_t elements;
    size_t bytes; /* in the arena */
    ocellus_type element_type;
    int32_t quantized;     /* 1: the arena holds int8, worth (q - zero_point) * scale */
    int32_t channels_last; /* 1: [N, C, H, W] in the model, [N, H, W, C] in the arena */
    float scale;
    int32_t zero_point;
    uint32_t rank;
    uint32_t sizes[8]; /* in the model's axis order; the first `rank` count */
} ocellus_port;

/* Room for a loaded plan: set it to zero ({0}) before its first use. It needs no release. */
typedef struct {
    uint64_t opaque[16];
} ocellus_session;

/* A class, its score as the model gives it, and the softmax of the scores at it. */
typedef struct {
    uint32_t index;
    float score;
    float probability;
} ocellus_class;

/* The most classes that ocellus_top() finds. */
#define OCELLUS_TOP_MAX 16

/* A sentence about a status. */
const char *ocellus_message(ocellus_status status);

/* Checks a plan and says which memory it needs. */
ocellus_status ocellus_sizes(const uint8_t *plan, size_t len, ocellus_plan_sizes *sizes);

/* Says what an input or output is. */
ocellus_status ocellus_input(const uint8_t *plan, size_t len, size_t index, ocellus_port *port);
ocellus_status ocellus_output(const uint8_t *plan, size_t len, size_t index, ocellus_port *port);

/* Checks everything, once, and keeps the pointers: plan (aligned to 8, better 64), steps and arena stay where they are, and
 * nobody else writes them, as long as the session is used. */
ocellus_status ocellus_load(ocellus_session *session, const uint8_t *plan, size_t plan_len, uint32_t *steps,
                            size_t step_words, uint8_t *arena, size_t arena_len);

/* Values in the model's type and axis order; float is quantized where the arena holds int8. `count` is in elements. */
ocellus_status ocellus_set_input(ocellus_session *session, size_t index, ocellus_type type, const void *values,
                                 size_t count);
ocellus_status ocellus_get_output(ocellus_session *session, size_t index, ocellus_type type, void *values, size_t count);

/* Where an input or output lies in the arena, as the device holds it: for cameras that write and decoders that read there. */
ocellus_status ocellus_input_bytes(ocellus_session *session, size_t index, uint8_t **bytes, size_t *len);
ocellus_status ocellus_output_bytes(ocellus_session *session, size_t index, const uint8_t **bytes, size_t *len);

/* Computes the outputs. */
ocellus_status ocellus_run(ocellus_session *session);

/* Runs the self-test vectors that the plan brings; what the arena held is lost. `count` gets their number; null is well. */
ocellus_status ocellus_self_test(ocellus_session *session, size_t *count);

/* The classes with the greatest scores of an output, greatest first; `count` gets how many were found. */
ocellus_status ocellus_top(ocellus_session *session, size_t output, ocellus_class *classes, size_t room_for,
                           size_t *count);

#ifdef __cplusplus
}
#endif

#endif
