/* resource.h - what `pando generate` knows of a resource: its names and its fields. Private to the
 * command.
 *
 *     "product name:text price:money"   ->   module products, table products_product
 */
#ifndef PD_CLI_RESOURCE_H
#define PD_CLI_RESOURCE_H

#include "cli/files.h"

enum { RESOURCE_FIELDS_MAX = 24, RESOURCE_NAME_MAX = 40 };

enum field_type {
    FIELD_TEXT,
    FIELD_INT,
    FIELD_BOOL,
    FIELD_MONEY,
    FIELD_TS,
    FIELD_DATE,
    FIELD_UUID,
    FIELD_REF,
};

struct field_ref { /* what a ref points to */
    pd_str module; /* "products" */
    pd_str table;  /* "products_product" */
    pd_str name;   /* "product" */
    pd_str text;   /* the column that stands for a row; null: none does */
};

struct field {
    pd_str name;  /* of the column: "price", "product_id" */
    pd_str stem;  /* without "_id" */
    pd_str label; /* "Price", "Product" */
    enum field_type type;
    bool optional;
    struct field_ref ref;
};

struct resource {
    struct pd_arena *arena;
    pd_str app;    /* the app's folder */
    pd_str name;   /* "product" */
    pd_str module; /* "products" */
    pd_str table;  /* "products_product" */
    pd_str currency;
    struct field fields[RESOURCE_FIELDS_MAX];
    unsigned nfields;
};

/* A name of a module, resource, field or page: small letters, digits and _, and no word of C or
 * SQL. `what` goes into the message. */
pd_err resource_check_name(pd_str name, const char *what) PD_MUST;
/* "product" -> "products", "category" -> "categories", "box" -> "boxes". */
pd_str resource_plural(struct pd_arena *a, pd_str name);
/* "unit_price" -> "Unit price", or "unit price". */
pd_str resource_words(struct pd_arena *a, pd_str name, bool capital);

/* "price:money", "note:text:optional", "product:ref", "buyer:ref:customers",
 * "x:ref(products_product)". The last three look for the table in the app's modules. */
pd_err resource_add_field(struct resource *r, pd_str text) PD_MUST;

/* The words that share/skeleton/resource is filled with. */
struct cli_words resource_words_of(struct resource *r);

#endif
