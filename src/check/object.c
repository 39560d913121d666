/* object.c - what the compiler made of a source: its symbol table, relocations and line table.
 *
 * libdwfl lays the sections of a relocatable file out one behind the other and relocates the debug
 * information accordingly, so that "address" here means: in that layout. A variable is found by its
 * symbol (only those have a section) and explained by its DWARF entry (file, line, the function of
 * a static local). A thread-local has no address, it is matched by name. A reference is a
 * relocation against an undefined symbol; the symbol that covers its place is where it stands, the
 * line table says where the author wrote it, also when the compiler inlined it elsewhere.
 *
 * ELF for Linux (System V ABI), DWARF 4 and 5; `elfutils` does the reading.
 */
#include "check/check.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <gelf.h>

struct reader {
    struct check *k;
    struct pd_map reasons; /* "pd_state_why_3": that a PD_STATE stands behind section …pd_state.3 */
    struct check_unit *u;
    struct check_object *o;
    Dwfl_Module *mod;
    Elf *elf;
    struct declared *declared;
};

struct declared { /* a variable as the debug information has it */
    pd_str name, function, file;
    int line;
    bool tls;
    Dwarf_Addr at;
    struct declared *next;
};

/* --- the debug information ------------------------------------------------------------------- */

/* The name in the debug information is as the command had it: relative to the command's folder.
 * Null if the file is not one of the app's. */
static pd_str place(struct reader *r, const char *file)
{
    pd_str path = check_real(r->k, r->u->dir, pd_str_c(file)), shown;
    return check_shown(r->k, path, &shown) ? shown : PD_STR_NULL;
}

static bool location_of(Dwarf_Die *die, Dwarf_Addr *at, bool *tls)
{
    Dwarf_Attribute attr, address;
    Dwarf_Op *ops;
    size_t n;
    if (!dwarf_attr(die, DW_AT_location, &attr) || dwarf_getlocation(&attr, &ops, &n) != 0 || !n)
        return false;
    *tls = false;
    for (size_t i = 1; i < n; i++)
        *tls |= ops[i].atom == DW_OP_GNU_push_tls_address || ops[i].atom == DW_OP_form_tls_address;
    *at = ops[0].number;
    if (*tls || ops[0].atom == DW_OP_addr)
        return true;
    return ops[0].atom == DW_OP_addrx && dwarf_getlocation_attr(&attr, ops, &address) == 0 &&
           dwarf_formaddr(&address, at) == 0;
}

/* decl_file and decl_line, also those of the declaration a definition completes. */
static void declare(struct reader *r, Dwarf_Die *die, pd_str function, bool local)
{
    Dwarf_Addr at = 0;
    bool tls = false;
    int line = 0;
    const char *name = dwarf_diename(die), *file = dwarf_decl_file(die);
    if (!name || !location_of(die, &at, &tls))
        return;
    dwarf_decl_line(die, &line);
    struct declared *d = pd_arena_new(&r->k->arena, struct declared);
    *d = (struct declared){ .name = pd_str_dup(&r->k->arena, pd_str_c(name)),
                            .function = local ? function : PD_STR_NULL,
                            .file = file ? place(r, file) : r->u->shown,
                            .line = line,
                            .tls = tls,
                            .at = at,
                            .next = r->declared };
    r->declared = d;
}

static void walk(struct reader *r, Dwarf_Die *parent, pd_str function, bool local)
{
    Dwarf_Die die;
    if (dwarf_child(parent, &die) != 0)
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_variable: declare(r, &die, function, local); break;
        case DW_TAG_subprogram:
        case DW_TAG_inlined_subroutine: {
            const char *name = dwarf_diename(&die);
            walk(r, &die, name ? pd_str_dup(&r->k->arena, pd_str_c(name)) : function, true);
            break;
        }
        case DW_TAG_lexical_block: walk(r, &die, function, local); break;
        default: break;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
}

static void read_declared(struct reader *r)
{
    Dwarf_Die *unit = NULL;
    Dwarf_Addr bias;
    while ((unit = dwfl_module_nextcu(r->mod, unit, &bias)))
        walk(r, unit, PD_STR_NULL, false);
}

/* --- sections -------------------------------------------------------------------------------- */

struct section {
    pd_str name;
    GElf_Shdr h;
};

static bool section_at(struct reader *r, size_t index, struct section *out)
{
    size_t names;
    Elf_Scn *scn = elf_getscn(r->elf, index);
    if (!scn || !gelf_getshdr(scn, &out->h) || elf_getshdrstrndx(r->elf, &names) != 0)
        return false;
    const char *name = elf_strptr(r->elf, names, out->h.sh_name);
    out->name = pd_str_c(name ? name : "");
    return true;
}

static bool starts_with_any(pd_str name, const char *const *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (pd_str_starts(name, pd_str_c(prefixes[i])))
            return true;
    }
    return false;
}

/* What the loader writes once at start (relocated constants, constructors) is no state: it is
 * read-only when the program runs. */
static bool is_state(const struct section *s)
{
    static const char *const CONSTANT[] = {
        ".data.rel.ro", ".init_array", ".fini_array", ".preinit_array", ".ctors", ".dtors", ".got"
    };
    return (s->h.sh_flags & SHF_ALLOC) && (s->h.sh_flags & SHF_WRITE) &&
           !starts_with_any(s->name, CONSTANT, sizeof CONSTANT / sizeof *CONSTANT);
}

/* Sanitizers, coverage and profiles bring their own, by these names and in these sections. None of
 * them is declared anywhere: what the debug information explains is the author's. */
static bool is_compilers_own(pd_str name, pd_str section)
{
    static const char *const NAMES[] = { "__odr_asan", "__asan",   "__ubsan", "__tsan",
                                         "__sancov",   "__gcov",   "__prof",  "__llvm",
                                         ".LASAN",     "__emutls", ".L",      "__sanitizer" };
    static const char *const SECTIONS[] = { ".tm_clone_table", "asan_globals", "__sancov" };
    return starts_with_any(name, NAMES, sizeof NAMES / sizeof *NAMES) ||
           starts_with_any(section, SECTIONS, sizeof SECTIONS / sizeof *SECTIONS);
}

/* --- variables ------------------------------------------------------------------------------- */

/* "calls.3" (gcc) and "load.calls" (clang; "load.calls.0" for a part of it) are all the static
 * `calls`. */
static bool names(pd_str symbol, pd_str name)
{
    pd_str part;
    while (pd_str_split(&symbol, '.', &part)) {
        if (pd_str_eq(part, name))
            return true;
    }
    return false;
}

/* "load" of "load.calls": clang 14 loses the function in the debug information when it inlines. */
static pd_str function_in(pd_str symbol, pd_str name)
{
    size_t dot = pd_str_find(symbol, '.');
    pd_str first = pd_str_sub(symbol, 0, dot == PD_NPOS ? 0 : dot);
    return first.len && !pd_str_eq(first, name) ? first : PD_STR_NULL;
}

static const struct declared *explain(const struct reader *r, pd_str symbol, Dwarf_Addr at,
                                      bool tls)
{
    for (const struct declared *d = r->declared; d; d = d->next) {
        bool same = tls ? d->tls : !d->tls && d->at == at;
        if (same && names(symbol, d->name))
            return d;
    }
    return NULL;
}

/* Without the dot and what the compiler put behind it (gcc), or in front of it (clang). */
static pd_str plain_name(pd_str symbol, bool is_variable)
{
    size_t dot = pd_str_find(symbol, '.');
    if (dot == PD_NPOS || dot == 0 || dot + 1 == symbol.len)
        return symbol;
    bool number = symbol.ptr[dot + 1] >= '0' && symbol.ptr[dot + 1] <= '9';
    if (is_variable && !number)
        return pd_str_sub(symbol, dot + 1, symbol.len);
    return pd_str_sub(symbol, 0, dot);
}

/* Whether the section is one that PD_STATE made: its reason stands in the same object. */
static bool has_reason(struct reader *r, pd_str section, pd_str prefix)
{
    if (!pd_str_starts(section, prefix))
        return false;
    pd_str number = pd_str_sub(section, prefix.len, section.len);
    return pd_map_get(&r->reasons, pd_str_fmt(&r->k->arena, "pd_state_why_%.*s", PD_ARG(number))) !=
           NULL;
}

static void note_reason(struct reader *r, int index)
{
    GElf_Sym sym;
    GElf_Addr at;
    const char *text = dwfl_module_getsym_info(r->mod, index, &sym, &at, NULL, NULL, NULL);
    pd_str name = text ? pd_str_c(text) : PD_STR_NULL, part;
    while (pd_str_split(&name, '.', &part)) { /* clang: "function.pd_state_why_3" */
        if (pd_str_starts(part, PD_STR("pd_state_why_")))
            pd_map_put(&r->reasons, pd_str_dup(&r->k->arena, part), r);
    }
}

static void add_variable(struct reader *r, pd_str symbol, const GElf_Sym *sym, Dwarf_Addr at,
                         const struct section *s)
{
    bool tls = GELF_ST_TYPE(sym->st_info) == STT_TLS;
    const struct declared *d = explain(r, symbol, at, tls);
    if (!d && is_compilers_own(symbol, s ? s->name : PD_STR("")))
        return;
    struct check_variable *v = pd_arena_new(&r->k->arena, struct check_variable);
    *v = (struct check_variable){ .name = d ? d->name : plain_name(symbol, true),
                                  .function = d ? d->function : PD_STR_NULL,
                                  .file = d ? d->file : r->u->shown,
                                  .line = d ? d->line : 0,
                                  .thread_local_ = tls,
                                  .next = r->o->variables };
    if (!v->function.len)
        v->function = function_in(symbol, v->name);
    if (!d && v->file.len)
        v->line = check_line_of(r->k, v->file, v->name);
    bool data = s && has_reason(r, s->name, PD_STR(".data.pd_state."));
    bool tdata = s && has_reason(r, s->name, PD_STR(".tdata.pd_state."));
    v->stated = data || tdata;
    v->state_of_other_kind = tls ? data : tdata;
    v->foreign = !v->file.len;
    r->o->variables = v;
}

/* A symbol without a type is one made by an assembler text, or the mark of a region ("$d"). */
static bool may_be_variable(const GElf_Sym *sym, pd_str name)
{
    int type = GELF_ST_TYPE(sym->st_info);
    return type == STT_OBJECT || type == STT_TLS || type == STT_COMMON ||
           (type == STT_NOTYPE && !pd_str_starts(name, PD_STR("$")));
}

static void read_symbol(struct reader *r, int index)
{
    GElf_Sym sym;
    GElf_Addr at;
    GElf_Word shndx;
    struct section s;
    const char *text = dwfl_module_getsym_info(r->mod, index, &sym, &at, &shndx, NULL, NULL);
    if (!text || !text[0] || shndx == SHN_UNDEF)
        return;
    pd_str name = pd_str_dup(&r->k->arena, pd_str_c(text));
    if (GELF_ST_BIND(sym.st_info) != STB_LOCAL)
        pd_map_put(&r->o->defined, name, r->u);
    if (!may_be_variable(&sym, name))
        return;
    if (shndx == SHN_COMMON)
        add_variable(r, name, &sym, at, NULL);
    else if (section_at(r, shndx, &s) && is_state(&s))
        add_variable(r, name, &sym, at, &s);
}

/* --- references ------------------------------------------------------------------------------ */

/* Without what the compiler added: "load.part.0" is load. */
static pd_str holder(struct reader *r, GElf_Addr at)
{
    GElf_Off offset;
    GElf_Sym sym;
    const char *name = dwfl_module_addrinfo(r->mod, at, &offset, &sym, NULL, NULL, NULL);
    if (!name || (sym.st_size && offset >= sym.st_size))
        return PD_STR_NULL;
    return plain_name(pd_str_dup(&r->k->arena, pd_str_c(name)), false);
}

/* Asks every compilation unit: clang writes no index of addresses (.debug_aranges). */
static Dwarf_Line *line_at(struct reader *r, GElf_Addr at)
{
    Dwarf_Die *unit = NULL;
    Dwarf_Addr bias;
    while ((unit = dwfl_module_nextcu(r->mod, unit, &bias))) {
        Dwarf_Line *line = dwarf_getsrc_die(unit, at - bias);
        if (line)
            return line;
    }
    return NULL;
}

static void set_line(struct reader *r, struct check_reference *ref, GElf_Addr at, bool code)
{
    Dwarf_Line *found = code ? line_at(r, at) : NULL;
    const char *file = found ? dwarf_linesrc(found, NULL, NULL) : NULL;
    if (file) {
        ref->file = place(r, file);
        dwarf_lineno(found, &ref->line);
        return;
    }
    for (const struct declared *d = r->declared; d && ref->from.len; d = d->next) {
        if (!names(ref->from, d->name))
            continue;
        ref->file = d->file;
        ref->line = d->line;
        return;
    }
}

static void read_relocation(struct reader *r, const struct section *target, GElf_Addr offset,
                            size_t symbol)
{
    GElf_Sym sym;
    GElf_Addr value;
    GElf_Word shndx;
    const char *name =
        dwfl_module_getsym_info(r->mod, (int)symbol, &sym, &value, &shndx, NULL, NULL);
    if (!name || !name[0] || shndx != SHN_UNDEF)
        return;
    GElf_Addr at = target->h.sh_addr + offset;
    struct check_reference *ref = pd_arena_new(&r->k->arena, struct check_reference);
    ref->symbol = pd_str_dup(&r->k->arena, pd_str_c(name));
    ref->from = holder(r, at);
    ref->file = r->u->shown;
    set_line(r, ref, at, target->h.sh_flags & SHF_EXECINSTR);
    ref->next = r->o->references;
    r->o->references = ref;
}

static void read_relocations(struct reader *r, Elf_Scn *scn, const GElf_Shdr *h)
{
    struct section target;
    if (!section_at(r, h->sh_info, &target) || !(target.h.sh_flags & SHF_ALLOC) ||
        pd_str_starts(target.name, PD_STR(".eh_frame")))
        return;
    Elf_Data *data = elf_getdata(scn, NULL);
    size_t n = h->sh_entsize ? h->sh_size / h->sh_entsize : 0;
    for (size_t i = 0; data && i < n; i++) {
        GElf_Rela rela;
        GElf_Rel rel;
        if (h->sh_type == SHT_RELA && gelf_getrela(data, (int)i, &rela))
            read_relocation(r, &target, rela.r_offset, GELF_R_SYM(rela.r_info));
        else if (h->sh_type == SHT_REL && gelf_getrel(data, (int)i, &rel))
            read_relocation(r, &target, rel.r_offset, GELF_R_SYM(rel.r_info));
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

static void read_module(struct reader *r)
{
    GElf_Addr bias;
    Elf_Scn *scn = NULL;
    r->elf = dwfl_module_getelf(r->mod, &bias);
    int nsyms = dwfl_module_getsymtab(r->mod);
    if (!r->u->generated)
        read_declared(r);
    pd_map_init(&r->reasons, &r->k->arena, PD_MAP_STR);
    for (int i = 1; i < nsyms; i++)
        note_reason(r, i);
    for (int i = 1; i < nsyms; i++)
        read_symbol(r, i);
    while (r->elf && (scn = elf_nextscn(r->elf, scn))) {
        GElf_Shdr h;
        if (gelf_getshdr(scn, &h) && (h.sh_type == SHT_RELA || h.sh_type == SHT_REL))
            read_relocations(r, scn, &h);
    }
}

pd_err check_object_read(struct check *k, struct check_unit *u)
{
    static char *no_path = NULL;
    static const Dwfl_Callbacks callbacks = { .find_elf = dwfl_build_id_find_elf,
                                              .find_debuginfo = dwfl_standard_find_debuginfo,
                                              .section_address = dwfl_offline_section_address,
                                              .debuginfo_path = &no_path };
    u->obj = pd_arena_new(&k->arena, struct check_object);
    pd_map_init(&u->obj->defined, &k->arena, PD_MAP_STR);
    Dwfl *dwfl = dwfl_begin(&callbacks);
    char *path = pd_str_cstr(&k->arena, u->object);
    struct reader r = { .k = k, .u = u, .o = u->obj };
    r.mod = dwfl ? dwfl_report_offline(dwfl, "", path, -1) : NULL;
    pd_err e = PD_OK;
    if (!r.mod)
        e = pd_hint(
            pd_fail(PD_ENOTFOUND, "no object of %.*s at %s: %s", PD_ARG(u->shown), path,
                    dwfl_errmsg(-1)),
            "build the app (make build); link-time optimisation has to be off for the check");
    else if (dwfl_report_end(dwfl, NULL, NULL) == 0)
        read_module(&r);
    dwfl_end(dwfl);
    return e;
}
