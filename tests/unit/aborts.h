/* aborts.h - what a programming error does: the function must end its process, in a child of ours.
 */
#ifndef PD_ABORTS_H
#define PD_ABORTS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool aborts(void (*fn)(void *arg), void *arg)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        fn(arg);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
