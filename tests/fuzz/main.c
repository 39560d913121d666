/* main.c - replays inputs through a harness that is not linked to a fuzzer.
 *
 *     fuzz_json FILE|FOLDER…
 */
#include "../guard_map.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20, BLOCKS = 16 };

static unsigned done;

/* --- blocks: each ends where its guarded room does -------------------------------------------- */

static struct room {
    char *start;
    size_t size;
    bool taken;
} rooms[BLOCKS];

static struct room *room_for(size_t n)
{
    struct room *r = rooms;
    while (r < rooms + BLOCKS && r->taken)
        r++;
    pd_assert(r < rooms + BLOCKS);
    if (r->size < n || !r->start) {
        if (r->start)
            munmap(r->start - GUARD_PAGE, r->size + 2 * GUARD_PAGE);
        r->size = n / GUARD_PAGE * GUARD_PAGE + GUARD_PAGE;
        r->start = guard_map(NULL, r->size);
    }
    r->taken = true;
    return r;
}

char *fuzz_block(const char *bytes, size_t n)
{
    struct room *r = room_for(n);
    char *block = r->start + r->size - n;
    if (n)
        memcpy(block, bytes, n);
    return block;
}

void fuzz_free(char *block)
{
    for (struct room *r = rooms; r < rooms + BLOCKS; r++)
        if (block && block >= r->start && block <= r->start + r->size) {
            memset(r->start, 'Z', r->size); /* pointers left behind show */
            r->taken = false;
        }
}

/* --- replay ------------------------------------------------------------------------------------
 */

static int replay(const char *path)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        return 66;
    }
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    uint8_t *exact = (uint8_t *)fuzz_block((const char *)bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    fuzz_free((char *)exact);
    done++;
    return 0;
}

static int replay_folder(const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort), status = n < 0 ? 66 : 0;
    for (int i = 0; i < n; i++) {
        char file[1024];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && status == 0)
            status = replay(file);
        free(names[i]);
    }
    free(names);
    return status;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc && status == 0; i++) {
        struct stat st;
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        status = folder ? replay_folder(argv[i]) : replay(argv[i]);
    }
    printf("%u inputs\n", done);
    return status ? status : done == 0;
}
