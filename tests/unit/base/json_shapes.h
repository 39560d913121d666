/* json_shapes.h - structs with every type of field, and documents for them. */
#ifndef JSON_SHAPES_H
#define JSON_SHAPES_H

#include <pando/json.h>

#define SHAPE(s)                                                                                   \
    const struct pd_shape s##_shape = { #s, sizeof(struct s),                                      \
                                        sizeof(s##_fields) / sizeof(s##_fields[0]), s##_fields }
#define F(s, field, t, ...)                                                                        \
    {                                                                                              \
        .name = #field, .name_len = sizeof(#field) - 1, .type = PD_T_##t,                          \
        .offset = offsetof(struct s, field), ##__VA_ARGS__                                         \
    }

struct tag {
    pd_str name;
    int32_t weight;
    int64_t secret;
};
static const struct pd_field tag_fields[] = {
    F(tag, name, STR, .min = 1, .max = 8),
    F(tag, weight, I32, .flags = PD_F_OPTIONAL, .max = 100),
    F(tag, secret, I64, .flags = PD_F_HIDDEN),
};
static SHAPE(tag);

struct tag_list {
    struct tag *rows;
    size_t n;
};
struct order {
    bool paid;
    int32_t count;
    int64_t big;
    pd_money amount;
    pd_id id;
    pd_str name, memo, bytes;
    pd_time at;
    pd_date day;
    pd_uuid key;
    pd_json raw;
    pd_opt_i64 opt, opt_time;
    struct tag tag;
    struct tag *ptr;
    struct tag_list tags;
    int64_t hidden;
};
static const struct pd_field order_fields[] = {
    F(order, paid, BOOL),
    F(order, count, I32),
    F(order, big, I64),
    F(order, amount, MONEY, .min = 1, .max = 1000000000000000),
    F(order, id, ID),
    F(order, name, STR),
    F(order, memo, STR, .flags = PD_F_OPTIONAL, .max = 140),
    F(order, bytes, BYTES),
    F(order, at, TIME),
    F(order, day, DATE),
    F(order, key, UUID),
    F(order, raw, JSON),
    F(order, opt, OPT, .as = PD_T_I64, .flags = PD_F_OMIT),
    F(order, opt_time, OPT, .as = PD_T_TIME),
    F(order, tag, STRUCT, .of = &tag_shape),
    F(order, ptr, PTR, .of = &tag_shape),
    F(order, tags, LIST, .of = &tag_shape),
    F(order, hidden, I64, .flags = PD_F_HIDDEN),
};
static SHAPE(order);

static const char full_order[] =
    " {\"tags\":[{\"name\":\"t1\"} , {\"weight\":3,\"name\":\"t2\"}], \"paid\":true,\"count\":-7,"
    "\"big\":-9223372036854775808,\"amount\":1250,\"id\":\"42\",\"name\":\"Ada\",\"bytes\":\"Zm8\","
    "\"at\":\"1970-01-01T00:00:00.5Z\",\"day\":\"1970-01-02\","
    "\"key\":\"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\",\"raw\":{ \"a\" : [1.5e3, null] },\"opt\":9,"
    "\"opt_time\":\"1970-01-01T00:00:01Z\",\"tag\":{\"name\":\"inner\"},"
    "\"ptr\":{\"name\":\"pointed\"}}\n";
static const char least_order[] =
    "{\"paid\":false,\"count\":0,\"big\":0,\"amount\":1,\"id\":\"1\",\"name\":\"\",\"bytes\":\"\","
    "\"at\":\"1970-01-01T00:00:00Z\",\"day\":\"1970-01-01\","
    "\"key\":\"00000000-0000-0000-0000-000000000000\",\"raw\":null,\"opt\":null,"
    "\"tag\":{\"name\":\"x\"},\"tags\":[],\"memo\":null}";

struct any {
    pd_json raw;
    struct tag_list some;
};
__attribute__((unused)) static const struct pd_field any_fields[] = {
    F(any, raw, JSON),
    F(any, some, LIST, .flags = PD_F_OPTIONAL, .of = &tag_shape, .min = 1, .max = 2),
};
__attribute__((unused)) static SHAPE(any);

struct chain {
    struct chain *next;
};
__attribute__((unused)) static const struct pd_shape chain_shape;
__attribute__((unused)) static const struct pd_field chain_fields[] = {
    F(chain, next, PTR, .of = &chain_shape),
};
__attribute__((unused)) static SHAPE(chain);

struct signup {
    pd_str email, password, currency, nick;
    int32_t age;
    pd_opt_i64 limit;
    bool terms;
};
__attribute__((unused)) static const struct pd_field signup_fields[] = {
    F(signup, email, STR, .flags = PD_F_EMAIL | PD_F_TRIM),
    F(signup, password, STR, .min = 12, .max = 128),
    F(signup, currency, STR, .min = 3, .max = 3),
    F(signup, nick, STR, .flags = PD_F_OPTIONAL | PD_F_TRIM),
    F(signup, age, I32, .min = 18, .max = 150),
    F(signup, limit, OPT, .as = PD_T_I64),
    F(signup, terms, BOOL),
};
__attribute__((unused)) static SHAPE(signup);

#undef F
#undef SHAPE
#endif
