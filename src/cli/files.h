/* files.h - files as the tool makes them: read whole, created, never overwritten; and skeletons.
 *
 * A skeleton is a text with words like @name@ that are replaced. What is between the signs is
 * looked up among the words given; other text with an @ in it is left alone.
 */
#ifndef PD_CLI_FILES_H
#define PD_CLI_FILES_H

#include <pando/base.h>

struct cli_word { /* "@app@" -> "shop" */
    pd_str name, value;
};
struct cli_words {
    struct cli_word at[40];
    size_t n;
};
void cli_word_put(struct cli_words *w, const char *name, pd_str value);

bool cli_exists(struct pd_arena *a, pd_str path); /* ends the program if it cannot tell */
bool cli_is_dir(struct pd_arena *a, pd_str path);
pd_err cli_read(struct pd_arena *a, pd_str path, pd_str *text) PD_MUST;
/* Makes the file, and the folders it lies in. PD_EEXISTS if it exists. */
pd_err cli_create(struct pd_arena *a, pd_str path, pd_str text) PD_MUST;
/* Puts `text` in the place of an existing file, whole or not at all. */
pd_err cli_replace(struct pd_arena *a, pd_str path, pd_str text) PD_MUST;
/* A folder with all that is in it, as far as it can be removed; links are not followed. */
void cli_remove_tree(struct pd_arena *a, pd_str path);

pd_str cli_fill(struct pd_arena *a, pd_str skeleton, const struct cli_words *words);
/* Every file of a folder, filled, into another; words are replaced in names, too, and a file called
 * "gitignore" becomes ".gitignore". PD_EEXISTS, and nothing made, if one of them exists; what was
 * made before another error is removed. Calls `made` with each path, when all of them are there. */
pd_err cli_fill_tree(struct pd_arena *a, pd_str from, pd_str to, const struct cli_words *words,
                     void (*made)(void *arg, pd_str path), void *arg) PD_MUST;

#endif
