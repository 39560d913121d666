/* listener.c - accepting, in batches, and through a shortage of descriptors.
 *
 * The poll is level-triggered: connections that are left after a batch are reported again in the
 * next turn. When accept fails for want of a descriptor that would spin, so the listener closes its
 * spare descriptor, accepts and closes what it can with that one, takes the spare back and does not
 * listen for PAUSE_US.
 */
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PAUSE_US = 100000, SHED = 64, SWEEP = 4096 /* a queue is not longer by default */ };

/* A descriptor that is held to be given up. Not I/O: nothing is ever read from it. */
static int spare_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void resume(struct pd_timer *t)
{
    struct pd_listener *l = pd_container(t, struct pd_listener, pause);
    if (l->spare < 0)
        l->spare = spare_open();
    pd_io_want(&l->io, PD_OS_READ);
}

static void shed(struct pd_listener *l)
{
    if (l->spare >= 0)
        close(l->spare);
    for (int i = 0; i < SHED; i++) {
        int s = pd_os_accept(l->io.sock, NULL);
        if (s < 0)
            break;
        pd_os_close(s);
        l->starved++;
    }
    l->spare = spare_open();
}

static void pause_accepting(struct pd_listener *l, int reason)
{
    if (reason == EMFILE || reason == ENFILE)
        shed(l);
    pd_log_warn("accept fails, pausing", "errno", reason, "closed", l->starved);
    pd_io_want(&l->io, 0);
    pd_timer_set(&l->pause, pd_mono_now() + PAUSE_US, resume);
}

static void ready(struct pd_io *io, unsigned events)
{
    struct pd_listener *l = pd_container(io, struct pd_listener, io);
    (void)events;
    for (int i = 0; i < PD_ACCEPT_BATCH && l->open; i++) {
        struct pd_os_addr peer;
        int s = pd_os_accept(io->sock, &peer);
        if (s == -EAGAIN)
            return;
        if (s < 0) {
            pause_accepting(l, -s);
            return;
        }
        l->accepted(l->arg, s, &peer);
    }
}

pd_err pd_listener_open(struct pd_listener *l, pd_os_sock sock,
                        void (*accepted)(void *arg, pd_os_sock s, const struct pd_os_addr *peer),
                        void *arg)
{
    *l = (struct pd_listener){ .accepted = accepted, .arg = arg, .spare = -1 };
    pd_err err = pd_io_open(&l->io, sock, PD_OS_READ, ready);
    if (err) {
        pd_os_close(sock);
        return pd_wrap(err, "opening a listener");
    }
    l->spare = spare_open();
    l->open = true;
    return PD_OK;
}

void pd_listener_sweep(struct pd_listener *l)
{
    struct pd_os_addr peer;
    for (int i = 0; i < SWEEP && l->open; i++) {
        int s = pd_os_accept(l->io.sock, &peer);
        if (s < 0)
            return;
        l->accepted(l->arg, s, &peer);
    }
}

void pd_listener_close(struct pd_listener *l)
{
    if (!l->open)
        return;
    l->open = false;
    pd_timer_stop(&l->pause);
    pd_io_close(&l->io);
    if (l->spare >= 0)
        close(l->spare);
}
