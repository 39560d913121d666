/* h2o_items.c - items of the libh2o program; lists are kept as they were sent until an item of that
 * category changes. */
#include "h2o_job.h"
#include <inttypes.h>
#include <stdio.h>

enum {
    SHOWN = 20,
    CATEGORIES = 100,
    ITEM_BYTES = 160,  /* of JSON at most, without the name */
    LIST_BYTES = 32,   /* around the items */
    ITEM_MAX = 1000000 /* price and stock */
};

/* The list of a category as it was sent, or NULL; `version` grows when one of its items changes. */
static struct {
    h2o_iovec_t *body;
    uint64_t version;
} lists[CATEGORIES + 1];

static char *put_json(char *to, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            *to++ = (char)c;
        else
            to += sprintf(to, c < 0x20 ? "\\u%04x" : "\\%c", c);
    }
    return to;
}

static char *put_item(char *to, const PGresult *r, int row)
{
    to = put_number(put(to, "{\"id\":\""), db_number(r, row, 0));
    to = put_number(put(to, "\",\"category\":"), db_number(r, row, 1));
    to = put_json(put(to, ",\"name\":\""), PQgetvalue(r, row, 2), (size_t)PQgetlength(r, row, 2));
    to = put_number(put(to, "\",\"price\":"), db_number(r, row, 3));
    to = put_number(put(to, ",\"stock\":"), db_number(r, row, 4));
    return put(to, "}");
}

static size_t item_bytes(const PGresult *r, int row)
{
    return ITEM_BYTES + MESSAGE_GROWTH * (size_t)PQgetlength(r, row, 2);
}

static void got_item(struct db_waiter *w, const PGresult *r)
{
    h2o_req_t *req = job_end_with_rows(job_of(w), r);
    if (!req)
        return;
    char *body = h2o_mem_alloc_pool(&req->pool, item_bytes(r, 0));
    answer(req, JSON, body, (size_t)(put_item(body, r, 0) - body));
}

void item(h2o_req_t *req, uint64_t id)
{
    struct job *j = job_new(req, got_item);
    if (j)
        db_send(j->db, &j->waiter, ITEM, &id);
}

/* In one block with a count of who holds it: the cache, and requests that are being answered. */
static h2o_iovec_t *list_of(const PGresult *r)
{
    int n = PQntuples(r);
    size_t bytes = LIST_BYTES;
    for (int i = 0; i < n; i++)
        bytes += item_bytes(r, i);
    h2o_iovec_t *list = h2o_mem_alloc_shared(NULL, sizeof *list + bytes, NULL);
    list->base = (char *)(list + 1);
    char *to = put(list->base, "{\"items\":[");
    for (int i = 0; i < n; i++)
        to = put_item(i ? put(to, ",") : to, r, i);
    list->len = (size_t)(put(to, "]}") - list->base);
    return list;
}

static void answer_list(h2o_req_t *req, h2o_iovec_t *list)
{
    h2o_mem_link_shared(&req->pool, list);
    answer(req, JSON, list->base, list->len);
}

static void forget_list(uint64_t category)
{
    if (lists[category].body)
        h2o_mem_release_shared(lists[category].body);
    lists[category].body = NULL;
}

/* Kept only if nothing has changed since it was asked for. */
static void got_items(struct db_waiter *w, const PGresult *r)
{
    struct job *j = job_of(w);
    uint64_t category = j->id, version = j->version;
    j->failed = !r;
    h2o_req_t *req = job_end(j);
    if (!req)
        return;
    h2o_iovec_t *list = list_of(r);
    answer_list(req, list);
    forget_list(category);
    if (lists[category].version == version)
        lists[category].body = list;
    else
        h2o_mem_release_shared(list);
}

void items(h2o_req_t *req, uint64_t category)
{
    if (category > CATEGORIES) {
        refuse(req, 404, "Not Found");
        return;
    }
    if (lists[category].body) {
        answer_list(req, lists[category].body);
        return;
    }
    struct job *j = job_new(req, got_items);
    if (!j)
        return;
    j->id = category;
    j->version = lists[category].version;
    db_send(j->db, &j->waiter, ITEMS, (uint64_t[]){ category, SHOWN });
}

static void got_item_set(struct db_waiter *w, const PGresult *r)
{
    struct job *j = job_of(w);
    j->failed = !r;
    j->id = r && PQntuples(r) == 1 ? db_number(r, 0, 0) : 0;
}

static void item_committed(struct db_waiter *w)
{
    struct job *j = job_of(w);
    uint64_t category = j->id;
    if (category && category <= CATEGORIES) {
        forget_list(category);
        lists[category].version++;
    }
    h2o_req_t *req = job_end(j);
    if (req && category)
        no_content(req);
    else if (req)
        refuse(req, 404, "Not Found");
}

/* {"price": N, "stock": N} and nothing else. */
static bool read_change(const h2o_req_t *req, uint64_t *price, uint64_t *stock)
{
    char text[128];
    int end = 0;
    if (req->entity.len >= sizeof text)
        return false;
    memcpy(text, req->entity.base, req->entity.len);
    text[req->entity.len] = '\0';
    sscanf(text, " { \"price\" : %7" SCNu64 " , \"stock\" : %7" SCNu64 " } %n", price, stock, &end);
    return end && (size_t)end == req->entity.len && *price <= ITEM_MAX && *stock <= ITEM_MAX;
}

void item_change(h2o_req_t *req, uint64_t id)
{
    uint64_t price, stock;
    if (!read_change(req, &price, &stock)) {
        refuse(req, 422, "Unprocessable Content");
        return;
    }
    struct job *j = job_new(req, got_item_set);
    if (!j)
        return;
    j->waiter.on_commit = item_committed;
    db_send(j->db, &j->waiter, ITEM_SET, (uint64_t[]){ price, stock, id });
    db_commit(j->db, &j->waiter);
}
