/* money.c - amounts as text, and what ISO 4217 says about currencies.
 *
 * Amounts are integers of minor units from the first digit to the last: no floating point. The
 * table lists the currencies in use (funds codes too; metals and test codes have no minor unit),
 * as of the amendments up to the end of 2025; BGN stays for statements from before 2026.
 */
#include <pando/value.h>

#include "base/digits.h"

#define MONEY_MAX 1000000000000000 /* 10^15 */

bool pd_money_parse(pd_str s, int decimals, pd_money *out)
{
    if (decimals < 0 || decimals > 18) /* -1: the currency is unknown */
        return false;
    bool negative = s.len && s.ptr[0] == '-';
    size_t i = negative || (s.len && s.ptr[0] == '+');
    size_t point = PD_NPOS, digits = 0;
    int64_t v = 0;
    for (; i < s.len; i++) {
        if (s.ptr[i] == '.' && point == PD_NPOS && digits > 0) {
            point = i;
            continue;
        }
        unsigned digit = (unsigned)((unsigned char)s.ptr[i] - '0');
        if (digit > 9 || (v = v * 10 + digit) > MONEY_MAX)
            return false;
        digits++;
    }
    size_t fraction = point == PD_NPOS ? 0 : s.len - point - 1;
    if (digits == 0 || (point != PD_NPOS && fraction == 0) || fraction > (size_t)decimals)
        return false;
    for (size_t n = fraction; n < (size_t)decimals; n++)
        if ((v *= 10) > MONEY_MAX)
            return false;
    *out = negative ? -v : v;
    return true;
}

/* The digits, led by as many zeros as it takes to have one before the point. */
pd_str pd_money_format(pd_money m, int decimals, char *out)
{
    pd_assert(decimals >= 0 && decimals <= 18);
    char digits[PD_U64_DIGITS], *p = out;
    size_t behind = (size_t)decimals;
    pd_str text = pd_u64_format(m < 0 ? 0 - (uint64_t)m : (uint64_t)m, digits);
    if (m < 0)
        *p++ = '-';
    size_t zeros = text.len <= behind ? behind + 1 - text.len : 0;
    size_t before = text.len + zeros - behind;
    for (size_t i = 0; i < text.len + zeros; i++) {
        if (i == before)
            *p++ = '.';
        *p++ = i < zeros ? '0' : text.ptr[i - zeros];
    }
    *p = '\0';
    return pd_str_n(out, (size_t)(p - out));
}

/* One string per number of decimals: codes of three letters, searched in steps of three. */
static const struct {
    int decimals;
    const char *codes;
} currencies[] = {
    { 2,
      "EURUSDGBPCHFAEDAFNALLAMDAOAARSAUDAWGAZNBAMBBDBDTBGNBMDBNDBOBBOVBRLBSDBTNBWPBYNBZDCADCDFCHE"
      "CHWCNYCOPCOUCRCCUPCVECZKDKKDOPDZDEGPERNETBFJDFKPGELGHSGIPGMDGTQGYDHKDHNLHTGHUFIDRILSINRIRR"
      "JMDKESKGSKHRKPWKYDKZTLAKLBPLKRLRDLSLMADMDLMGAMKDMMKMNTMOPMRUMURMVRMWKMXNMXVMYRMZNNADNGNNIO"
      "NOKNPRNZDPABPENPGKPHPPKRPLNQARRONRSDRUBSARSBDSCRSDGSEKSGDSHPSLESOSSRDSSPSTNSVCSYPSZLTHBTJS"
      "TMTTOPTRYTTDTWDTZSUAHUSNUYUUZSVEDVESWSTXADXCDXCGYERZARZMWZWG" },
    { 0, "JPYKRWBIFCLPDJFGNFISKKMFPYGRWFUGXUYIVNDVUVXAFXOFXPF" },
    { 3, "BHDIQDJODKWDLYDOMRTND" },
    { 4, "CLFUYW" },
};

int pd_currency_decimals(pd_str code)
{
    if (code.len != 3)
        return -1;
    for (size_t i = 0; i < sizeof(currencies) / sizeof(currencies[0]); i++)
        for (const char *at = currencies[i].codes; *at; at += 3)
            if (memcmp(at, code.ptr, 3) == 0)
                return currencies[i].decimals;
    return -1;
}
