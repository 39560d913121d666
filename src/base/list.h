/* list.h - the intrusive doubly linked list.
 *
 * A struct embeds a pd_list node; the head is a pd_list too. A node is on at most one list; a node
 * that is on none points to itself or is zeroed. Nothing is allocated. Single-threaded.
 */
#ifndef PD_LIST_H
#define PD_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct pd_list {
    struct pd_list *prev, *next;
};

#define PD_LIST_INIT(head)                                                                         \
    {                                                                                              \
        &(head), &(head)                                                                           \
    }
#define pd_container(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define pd_list_each(it, head)          for ((it) = (head)->next; (it) != (head); (it) = (it)->next)
/* `it` may be removed inside the loop */
#define pd_list_each_safe(it, tmp, head)                                                           \
    for ((it) = (head)->next, (tmp) = (it)->next; (it) != (head); (it) = (tmp), (tmp) = (it)->next)

static inline void pd_list_init(struct pd_list *head)
{
    head->prev = head->next = head;
}
static inline bool pd_list_empty(const struct pd_list *head)
{
    return head->next == head;
}
static inline bool pd_list_linked(const struct pd_list *node)
{
    return node->next && node->next != node;
}
static inline void pd_list_insert_before(struct pd_list *at, struct pd_list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}
static inline void pd_list_push(struct pd_list *head, struct pd_list *node) /* at the end */
{
    pd_list_insert_before(head, node);
}
static inline void pd_list_push_front(struct pd_list *head, struct pd_list *node)
{
    pd_list_insert_before(head->next, node);
}
static inline void pd_list_remove(struct pd_list *node) /* fine if it is on no list */
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = node;
}
static inline struct pd_list *pd_list_pop(struct pd_list *head) /* the first; NULL if empty */
{
    if (pd_list_empty(head))
        return NULL;
    struct pd_list *first = head->next;
    pd_list_remove(first);
    return first;
}

#endif
