/* io.c - sockets on the loop: callbacks, waiting fibers, and lazily updated interest.
 *
 * What an io wants changes often within a turn (a fiber waits, is woken, reads, waits again) and
 * mostly ends where it began. So changes only put it on the `dirty` list, and the poll is told
 * once, at the end of the turn, if what it knows (`armed`) is wrong.
 *
 * A broken connection is reported by a level-triggered poll again and again, wanted or not. It is
 * therefore told once (hung_up); when nobody wants anything of it after that, it is taken out of
 * the poll until somebody does.
 *
 * A callback may close any io, also one whose event comes later in the same batch: close looks
 * for it there and takes it out.
 *
 * With upstreams a batch of more than PD_LOOP_INTAKE events lasts for several turns. Those of
 * upstreams in it are handed out in the first of them; each further one asks for upstreams alone.
 * What is left of a batch may be out of date when its turn comes, as any event may: a callback that
 * finds nothing to read waits for the next.
 */
#include "run/run.h"

static unsigned interest(const struct pd_io *io)
{
    unsigned want = io->want | (io->reader ? PD_OS_READ : 0u) | (io->writer ? PD_OS_WRITE : 0u);
    return io->hung_up ? want & ~(unsigned)PD_OS_HUP : want;
}

static unsigned kind(const struct pd_io *io)
{
    return io->upstream ? PD_OS_FIRST : 0u;
}

static void mark_dirty(struct pd_loop *l, struct pd_io *io)
{
    if (!pd_list_linked(&io->dirty) && (!io->attached || interest(io) != io->armed))
        pd_list_push(&l->dirty, &io->dirty);
}

static pd_err open_as(struct pd_io *io, pd_os_sock s, unsigned want, bool upstream,
                      void (*ready)(struct pd_io *io, unsigned events))
{
    struct pd_loop *l = pd_run_loop;
    pd_assert(l);
    *io = (struct pd_io){ .sock = s,
                          .want = want,
                          .armed = want,
                          .ready = ready,
                          .attached = true,
                          .upstream = upstream };
    int rc = pd_os_poll_add(l->poll, s, want | kind(io), false, io);
    if (rc < 0) {
        *io = (struct pd_io){ .sock = -1, .closed = true };
        return pd_fail_errno(pd_err_from_errno(-rc), -rc, "cannot watch socket %d", s);
    }
    pd_run_adjust(&l->io, 1);
    l->nupstreams += upstream;
    return PD_OK;
}

pd_err pd_io_open(struct pd_io *io, pd_os_sock s, unsigned want,
                  void (*ready)(struct pd_io *io, unsigned events))
{
    return open_as(io, s, want, false, ready);
}

pd_err pd_io_open_upstream(struct pd_io *io, pd_os_sock s, unsigned want,
                           void (*ready)(struct pd_io *io, unsigned events))
{
    return open_as(io, s, want, true, ready);
}

void pd_io_want(struct pd_io *io, unsigned events)
{
    if (io->closed)
        return;
    io->want = events;
    mark_dirty(pd_run_loop, io);
}

static void update(struct pd_loop *l, struct pd_io *io)
{
    unsigned want = interest(io);
    int rc = 0;
    if (!io->attached && want == 0)
        return;
    if (!io->attached)
        rc = pd_os_poll_add(l->poll, io->sock, want | kind(io), false, io);
    else if (want == 0 && io->hung_up)
        rc = pd_os_poll_del(l->poll, io->sock, kind(io));
    else if (want != io->armed)
        rc = pd_os_poll_set(l->poll, io->sock, want | kind(io), false, io);
    if (rc < 0)
        pd_panic("the poll refuses socket %d: errno %d", io->sock, -rc);
    io->attached = want != 0 || !io->hung_up;
    io->armed = want;
}

void pd_run_io_update(struct pd_loop *l)
{
    while (!pd_list_empty(&l->dirty))
        update(l, pd_container(pd_list_pop(&l->dirty), struct pd_io, dirty));
}

static void wake_waiter(struct pd_fiber **waiter)
{
    struct pd_fiber *f = *waiter;
    *waiter = NULL;
    if (f)
        pd_fiber_wake(f);
}

static void dispatch(struct pd_loop *l, struct pd_io *io, unsigned events)
{
    unsigned want = io->want;
    if (events & PD_OS_HUP) {
        if (io->hung_up)
            events &= ~(unsigned)PD_OS_HUP;
        io->hung_up = true;
        events |= want & (PD_OS_READ | PD_OS_WRITE);
        wake_waiter(&io->reader);
        wake_waiter(&io->writer);
    }
    if (events & PD_OS_READ)
        wake_waiter(&io->reader);
    if (events & PD_OS_WRITE)
        wake_waiter(&io->writer);
    if (io->hung_up && !pd_list_linked(&io->dirty))
        pd_list_push(&l->dirty, &io->dirty);
    else
        mark_dirty(l, io);
    if (io->ready && events & (want | PD_OS_HUP))
        io->ready(io, events & (want | PD_OS_HUP));
}

static inline void hand_out(struct pd_loop *l, struct io_batch *b, int most)
{
    int end = b->n - b->at > most ? b->at + most : b->n;
    while (b->at < end) {
        const struct pd_os_event *ev = &b->events[b->at++];
        if (ev->data)
            dispatch(l, ev->data, ev->events);
    }
}

static void pick_upstreams(struct pd_loop *l)
{
    for (int i = 0; i < l->batch.n; i++) {
        struct pd_os_event *ev = &l->batch.events[i];
        const struct pd_io *io = ev->data;
        if (!io->upstream)
            continue;
        l->first.events[l->first.n++] = *ev;
        ev->data = NULL;
    }
}

static __attribute__((noinline)) void hand_out_upstreams(struct pd_loop *l)
{
    if (l->batch.at == 0 && l->batch.n > PD_LOOP_INTAKE)
        pick_upstreams(l);
    hand_out(l, &l->first, BATCH);
    l->first.at = l->first.n = 0;
}

void pd_run_io_dispatch(struct pd_loop *l)
{
    if (__builtin_expect(l->nupstreams == 0, 1)) {
        hand_out(l, &l->batch, BATCH);
    } else {
        hand_out_upstreams(l);
        hand_out(l, &l->batch, PD_LOOP_INTAKE);
    }
}

static void forget(struct io_batch *b, const struct pd_io *io)
{
    for (int i = b->at; i < b->n; i++)
        if (b->events[i].data == io)
            b->events[i].data = NULL;
}

void pd_io_release(struct pd_io *io)
{
    struct pd_loop *l = pd_run_loop;
    if (io->closed)
        return;
    forget(&l->first, io);
    forget(&l->batch, io);
    pd_list_remove(&io->dirty);
    if (io->attached)
        pd_os_poll_del(l->poll, io->sock, kind(io));
    io->closed = true;
    io->attached = false;
    pd_run_adjust(&l->io, -1);
    l->nupstreams -= io->upstream;
    wake_waiter(&io->reader);
    wake_waiter(&io->writer);
}

void pd_io_close(struct pd_io *io)
{
    if (io->closed)
        return;
    pd_io_release(io);
    pd_os_close(io->sock);
}

/* Whoever closes the io while a fiber waits here keeps its memory until that fiber has run. */
pd_err pd_io_wait(struct pd_io *io, unsigned events)
{
    struct pd_fiber *me = pd_run_yielding();
    pd_assert(events == PD_OS_READ || events == PD_OS_WRITE);
    if (io->closed)
        return pd_fail(PD_ECLOSED, "the connection was closed");
    struct pd_fiber **slot = events == PD_OS_READ ? &io->reader : &io->writer;
    pd_assert(!*slot);
    PD_TRY(pd_check());
    *slot = me;
    mark_dirty(me->loop, io);
    pd_err err;
    do {
        err = pd_run_park(me);
        if (!err && *slot == me) /* woken for another reason; canceled meanwhile? */
            err = pd_check();
    } while (!err && *slot == me);
    if (io->closed)
        return pd_fail(PD_ECLOSED, "the connection was closed while fiber \"%s\" waited", me->name);
    if (!err)
        return PD_OK;
    if (*slot == me)
        *slot = NULL;
    mark_dirty(me->loop, io);
    return pd_run_explain(err);
}
