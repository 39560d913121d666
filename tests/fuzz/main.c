/* main.c - replays inputs through a harness that is not linked to a fuzzer.
 *
 *     fuzz_json FILE|FOLDER…
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20 };

static unsigned done;

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
    free(exact);
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
