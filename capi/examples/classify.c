/* Names the class of a picture: classify PLAN PICTURE, the picture as raw little-endian float32 in the model's order. */
#include <ocellus.h>
#include <stdio.h>

static _Alignas(64) uint8_t plan[1 << 20];
static _Alignas(64) uint8_t arena[64 << 10];
static uint32_t steps[4096];
static float picture[16 << 10];

static size_t content(const char *path, void *to, size_t room) {
    FILE *file = fopen(path, "rb");
    size_t found = file ? fread(to, 1, room, file) : 0;
    if (file)
        fclose(file);
    return found;
}

static int failed(const char *what, ocellus_status status) {
    fprintf(stderr, "%s: %s\n", what, ocellus_message(status));
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "classify PLAN PICTURE\n");
        return 2;
    }
    size_t len = content(argv[1], plan, sizeof plan);
    size_t values = content(argv[2], picture, sizeof picture) / sizeof *picture;

    ocellus_plan_sizes sizes;
    ocellus_status status = ocellus_sizes(plan, len, &sizes);
    if (status != OCELLUS_OK)
        return failed(argv[1], status);
    printf("arena %zu of %zu bytes, step table %zu of %zu words\n", sizes.arena_bytes, sizeof arena, sizes.step_words,
           sizeof steps / sizeof *steps);

    ocellus_session session = {0};
    status = ocellus_load(&session, plan, len, steps, sizeof steps / sizeof *steps, arena, sizeof arena);
    if (status != OCELLUS_OK)
        return failed(argv[1], status);
    status = ocellus_set_input(&session, 0, OCELLUS_F32, picture, values);
    if (status != OCELLUS_OK)
        return failed(argv[2], status);
    ocellus_run(&session);

    ocellus_class best[3];
    size_t count;
    status = ocellus_top(&session, 0, best, 3, &count);
    if (status != OCELLUS_OK)
        return failed(argv[1], status);
    for (size_t k = 0; k < count; k++)
        printf("class %u, score %.6f, %.1f %%\n", best[k].index, best[k].score, 100 * best[k].probability);
    return 0;
}
