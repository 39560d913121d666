/* assets_pack.c - names from content, and smaller forms of it.
 *
 * A file's URL contains a hash of its content, so it may be cached for ever: another content has
 * another URL. The hash is the first 48 bits of BLAKE2b, which is enough to tell versions of one
 * file apart. Compression is the strongest there is, since it is paid once, at build time.
 */
#include "gen/assets.h"

#include <brotli/encode.h>
#include <sodium.h>
#include <zlib.h>

enum { HASH_BYTES = 6 };

pd_str asset_hashed_name(struct gen *g, pd_str name, pd_str data)
{
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)data.ptr, data.len, NULL, 0);
    size_t dot = name.len;
    for (size_t i = name.len; i > 0 && name.ptr[i - 1] != '/'; i--) {
        if (name.ptr[i - 1] == '.') {
            dot = i - 1;
            break;
        }
    }
    struct pd_buf b;
    pd_buf_init(&b, &g->arena, name.len + 64);
    pd_buf_put(&b, pd_str_sub(name, 0, dot));
    pd_buf_put_c(&b, '-');
    pd_buf_put_hex(&b, hash, HASH_BYTES);
    pd_buf_put(&b, pd_str_sub(name, dot, name.len));
    return pd_buf_str(&b);
}

static pd_err gzip(struct gen *g, struct asset *a)
{
    z_stream z = { 0 };
    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return pd_fail(PD_EINTERNAL, "zlib cannot start");
    size_t room = deflateBound(&z, a->data.len);
    unsigned char *out = pd_arena_alloc(&g->arena, room);
    z.next_in = (unsigned char *)(uintptr_t)a->data.ptr;
    z.avail_in = (unsigned)a->data.len;
    z.next_out = out;
    z.avail_out = (unsigned)room;
    int result = deflate(&z, Z_FINISH);
    size_t size = z.total_out;
    deflateEnd(&z);
    if (result != Z_STREAM_END)
        return pd_fail(PD_EINTERNAL, "zlib cannot compress %.*s", PD_ARG(a->file));
    if (size < a->data.len)
        a->gzip = pd_str_n((const char *)out, size);
    return PD_OK;
}

static pd_err brotli(struct gen *g, struct asset *a)
{
    size_t size = BrotliEncoderMaxCompressedSize(a->data.len);
    uint8_t *out = pd_arena_alloc(&g->arena, size);
    if (!BrotliEncoderCompress(BROTLI_MAX_QUALITY, BROTLI_MAX_WINDOW_BITS, BROTLI_MODE_GENERIC,
                               a->data.len, (const uint8_t *)a->data.ptr, &size, out))
        return pd_fail(PD_EINTERNAL, "brotli cannot compress %.*s", PD_ARG(a->file));
    if (size < a->data.len)
        a->brotli = pd_str_n((const char *)out, size);
    return PD_OK;
}

pd_err asset_compress(struct gen *g, struct asset *a)
{
    if (a->data.len == 0)
        return PD_OK;
    PD_TRY(gzip(g, a));
    return brotli(g, a);
}
