/* Nodes of a rule and the memory that they live in. */
#include "rule_own.h"

#include <stdlib.h>

struct rule_chunk {
    struct rule_chunk *next;
    size_t used, cap;
    max_align_t bytes[];
};

enum { ALIGN = sizeof(void *), FIRST_CHUNK = 480, LARGEST_CHUNK = 1 << 16 };

static struct rule_chunk *chunk_new(struct rule_whole *w, size_t n)
{
    size_t cap = w->chunks ? w->chunks->cap * 2 : FIRST_CHUNK;

    if (cap > LARGEST_CHUNK)
        cap = LARGEST_CHUNK;
    if (cap < n)
        cap = n;
    struct rule_chunk *c = malloc(sizeof *c + cap);
    if (!c)
        return NULL;
    *c = (struct rule_chunk){ .next = w->chunks, .cap = cap };
    w->chunks = c;
    return c;
}

void *rule_alloc(struct rule_parse *p, size_t n)
{
    struct rule_chunk *c = p->whole->chunks;

    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    if (!c || c->cap - c->used < n)
        c = chunk_new(p->whole, n);
    if (!c) {
        rule_fail_memory(p);
        return NULL;
    }
    void *at = (char *)c->bytes + c->used;
    c->used += n;
    return memset(at, 0, n);
}

char *rule_copy(struct rule_parse *p, struct str s)
{
    char *copy = rule_alloc(p, s.n + 1);

    if (copy && s.n)
        memcpy(copy, s.s, s.n);
    return copy;
}

void rule_free(struct rule *r)
{
    struct rule_whole *w = (struct rule_whole *)r; /* its first member */

    if (!w)
        return;
    for (char **s = r->warning; s && *s; s++)
        free(*s);
    free(r->warning);
    for (struct rule_chunk *c = w->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(w);
}

struct rule_node *rule_node_new(struct rule_parse *p, enum rule_op op, uint32_t column)
{
    if (p->error)
        return NULL;
    if (p->n_nodes++ >= RULE_MAX_NODES) {
        rule_fail(p, column, 1,
                  "the rule has more than %d terms and operators, its sets "
                  "included; split it",
                  RULE_MAX_NODES);
        return NULL;
    }
    struct rule_node *n = rule_alloc(p, sizeof *n);
    if (!n)
        return NULL;
    n->op = op;
    n->column = p->within && p->within->outer_column ? p->within->outer_column : column;
    return n;
}

static bool stack_room(struct rule_parse *p, size_t n)
{
    if (p->cap_stack - p->n_stack >= n)
        return true;

    size_t cap = (p->cap_stack + n) * 2;
    struct rule_node **more = realloc(p->stack, cap * sizeof *more);
    if (!more) {
        rule_fail_memory(p);
        return false;
    }
    p->stack = more;
    p->cap_stack = cap;
    return true;
}

void rule_push(struct rule_parse *p, struct rule_node *child)
{
    if (child && stack_room(p, 1))
        p->stack[p->n_stack++] = child;
}

void rule_push_flat(struct rule_parse *p, struct rule_node *child, enum rule_op parent)
{
    if (!child || child->op != parent) {
        rule_push(p, child);
        return;
    }
    if (!stack_room(p, child->n_children))
        return;
    memcpy(p->stack + p->n_stack, child->child, child->n_children * sizeof *p->stack);
    p->n_stack += child->n_children;
}

struct rule_node *rule_gather(struct rule_parse *p, struct rule_node *n, size_t base)
{
    size_t count = p->n_stack - base;

    p->n_stack = base;
    if (!n || p->error)
        return NULL;
    n->child = rule_alloc(p, count * sizeof *n->child);
    if (!n->child)
        return NULL;
    memcpy(n->child, p->stack + base, count * sizeof *n->child);
    n->n_children = count;
    return n;
}
