/* sources.c - the author's sources as they lie in the app's folder, compiled or not. */
#include "check/check.h"

#include <sys/stat.h>

enum { FOLDERS_DEEP = 8 };

struct walk {
    struct check *k;
    void (*found)(void *arg, pd_str path, pd_str shown);
    void *arg;
};

bool check_is_source(pd_str path)
{
    static const char *const ENDS[] = { ".c", ".h", ".def", ".inc" };
    bool source = false;
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++)
        source |= pd_str_ends(path, pd_str_c(ENDS[i]));
    return source;
}

static bool is_dir(struct check *k, pd_str path)
{
    struct stat st;
    return stat(pd_str_cstr(&k->arena, path), &st) == 0 && S_ISDIR(st.st_mode);
}

static void look_into(struct walk *w, pd_str dir, unsigned depth)
{
    pd_str *names, shown;
    size_t n;
    if (depth > FOLDERS_DEEP || gen_list(&w->k->gen, dir, &names, &n) != PD_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        pd_str path = pd_str_fmt(&w->k->arena, "%.*s/%.*s", PD_ARG(dir), PD_ARG(names[i]));
        pd_str real = check_real(w->k, PD_STR_NULL, path);
        pd_str inside = pd_str_fmt(&w->k->arena, "%.*s/x", PD_ARG(path));
        if (check_is_source(path)) {
            if (check_shown(w->k, real, &shown))
                w->found(w->arg, real, shown);
        } else if (is_dir(w->k, path) && check_shown(w->k, inside, &shown)) {
            look_into(w, path, depth + 1);
        }
    }
}

void check_sources(struct check *k, void (*found)(void *arg, pd_str path, pd_str shown), void *arg)
{
    struct walk w = { .k = k, .found = found, .arg = arg };
    look_into(&w, k->root, 0);
}
