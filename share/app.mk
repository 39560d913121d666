# app.mk - builds a pando app with make and a C compiler. An app's Makefile needs three lines:
#
#     APP := shop
#     PANDO ?= pando
#     include $(or $(shell $(PANDO) share),$(error install pando first))/app.mk
#
#   make            build/shop, with checks for developers
#   make test       tests/*_test.c under AddressSanitizer and UBSan; ONLY=notes runs notes_test.c
#   make MODE=release   build/release/shop, optimised
#   make clean
#
# Sources are found: *.c beside the Makefile, modules/**/*.c, and what `pando gen` makes of SQL, structs,
# templates and assets. A rebuild compiles what changed. V=1 shows the commands.
# May be set before the include: CC, CFLAGS_EXTRA, LDLIBS_EXTRA, WARNINGS.

PANDO ?= pando
PANDO_SHARE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
include $(shell $(PANDO) share --config)

ifeq ($(APP),)
$(error set APP, the program's name, before app.mk is included)
endif

# All cores, unless make was told otherwise (-j, or called by another make). Errors stay together.
ifeq ($(filter -j% --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --output-sync=target
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

ifeq ($(origin CC),default)
CC := cc
endif
MODE ?= debug
BUILD := build
Q := $(if $(V),,@)
# A text as one word of a shell, and inside a text of JSON.
quoted = '$(subst ','\'',$(1))'
json = $(subst ",\",$(subst \,\\,$(1)))
say = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-5s %s\n' '$(1)' '$(2)')

# --- flags --------------------------------------------------------------------------------------

WARNINGS ?= -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes -Wformat=2 -Wimplicit-fallthrough -Wundef -Wno-missing-field-initializers \
	-Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=return-type \
	-Werror=unused-result -Werror=format-security -Werror=missing-braces
CFLAGS_ALL := -std=gnu17 -D_GNU_SOURCE -g -fno-common -fno-strict-aliasing -fno-omit-frame-pointer \
	-fstack-clash-protection -I. -Imodules -I$(BUILD)/gen $(PANDO_CFLAGS) $(WARNINGS) $(CFLAGS_EXTRA)
CFLAGS_debug   := -O0
CFLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS_release := -O2 -DNDEBUG -D_FORTIFY_SOURCE=3 -fstack-protector-strong -Wframe-larger-than=4096
LDFLAGS_ALL    := -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed $(LDFLAGS_EXTRA)
LDFLAGS_asan   := -fsanitize=address,undefined
# Without the sanitized library the app's own code is still watched.
LIB_debug   := $(PANDO_LIB)
LIB_release := $(PANDO_LIB)
LIB_asan    := $(or $(wildcard $(PANDO_ASAN_LIB)),$(PANDO_LIB))

ifeq ($(filter $(MODE),debug release asan),)
$(error MODE=$(MODE) is unknown: debug, release or asan)
endif

# --- files --------------------------------------------------------------------------------------

# Names are make's words: what cannot be one would be a riddle later.
ODD_NAME := $(shell find modules assets tests -type f ! -name '*~' ! -name '.*' 2>/dev/null | grep -m1 "[][ \"'\`\$$\#:%;*?()|&<>\\]")
ifneq ($(ODD_NAME),)
$(error the name "$(ODD_NAME)" has a character that make cannot handle: rename the file to letters, digits, - _ and dots)
endif
MODULES   := $(sort $(notdir $(patsubst %/,%,$(wildcard modules/*/))))
SOURCES   := $(sort $(wildcard *.c) $(shell find modules -name '*.c' 2>/dev/null))
TESTS     := $(sort $(wildcard tests/*_test.c))
HELPERS   := $(filter-out $(TESTS),$(sort $(wildcard tests/*.c)))
GEN_READ  := $(sort $(shell find modules assets -type f ! -name '*.c' ! -name '*~' ! -name '.*' 2>/dev/null))
GEN_PARTS := $(foreach m,$(MODULES),$(m)_sql $(m)_shapes $(m)_views) assets_gen
GEN_C     := $(GEN_PARTS:%=$(BUILD)/gen/%.c)
GEN_H     := $(GEN_PARTS:%=$(BUILD)/gen/%.h) $(MODULES:%=$(BUILD)/gen/%_gen.h)

objects = $(SOURCES:%.c=$(BUILD)/$(1)/%.o) $(GEN_C:$(BUILD)/gen/%.c=$(BUILD)/$(1)/gen/%.o)
# A module's objects, and what becomes of them: one object, in which only what <m>.h declares is global,
# so that what is private to a module does not link from another one. (Not under sanitizers, and not for
# tests, which may look inside.)
module_objects = $(filter $(BUILD)/$(1)/modules/$(2)/%,$(call objects,$(1))) \
	$(patsubst %,$(BUILD)/$(1)/gen/$(2)_%.o,sql shapes views)
sealed = $(filter-out $(foreach m,$(MODULES),$(call module_objects,$(1),$(m))),$(call objects,$(1))) \
	$(MODULES:%=$(BUILD)/$(1)/sealed/%.o)
linked_debug   = $(call sealed,debug)
linked_release = $(call sealed,release)
linked_asan    = $(call objects,asan)
PROGRAM_debug   := $(BUILD)/$(APP)
PROGRAM_release := $(BUILD)/release/$(APP)
PROGRAM_asan    := $(BUILD)/asan/$(APP)
TEST_PROGRAMS   := $(TESTS:tests/%.c=$(BUILD)/asan/%)

# --- what can be asked for ----------------------------------------------------------------------

.PHONY: build program test clean gen
build: $(PROGRAM_$(MODE)) compile_commands.json
program:
	@printf '%s\n' $(call quoted,$(CURDIR)/$(PROGRAM_$(MODE)))
gen: $(BUILD)/gen/stamp
clean:
	$(Q)rm -rf $(BUILD) compile_commands.json

# --- pando gen ----------------------------------------------------------------------------------
# One run makes all files and touches only those that changed; so they hang on a stamp, by rules with
# an empty recipe: make then looks at the files' own times. That a file was removed shows in the list.
# What is made is as old as the beginning of its making: a file saved meanwhile is newer, and read again.
# (The name has a number, because `pando dev` and `pando test` may be at it at the same time.)

remember = $(shell mkdir -p $(dir $(1)); echo $(quoted_2) | cmp -s - $(1) || echo $(quoted_2) > $(1))
quoted_2 = $(call quoted,$(2))
_ := $(call remember,$(BUILD)/gen/list,$(GEN_READ))
$(BUILD)/gen/stamp: $(GEN_READ) $(BUILD)/gen/list $(shell command -v $(PANDO))
	$(call say,gen,$(words $(MODULES)) modules)
	$(Q)begun=$@.$$$$; touch $$begun && $(PANDO) gen --app . --name $(APP) --out $(BUILD)/gen && \
		mv $$begun $@ || { rm -f $$begun; exit 1; }
$(GEN_C) $(GEN_H): $(BUILD)/gen/stamp ;
$(GEN_READ): ; # an editor's file may be gone again when make comes to it

# --- compile and link ---------------------------------------------------------------------------

define mode_rules
_ := $$(call remember,$$(BUILD)/$(1)/flags,$$(CC) $$(CFLAGS_ALL) $$(CFLAGS_$(1)))
$$(BUILD)/$(1)/%.o: %.c $$(BUILD)/$(1)/flags | $$(GEN_H)
	$$(call say,cc,$$<)
	@mkdir -p $$(@D) && touch $$@.begun
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(CFLAGS_$(1)) -MMD -MP -MT $$@ -MF $$(@:.o=.d) -c -o $$@.$$$$$$$$ $$< $$(call on_failure) && touch -r $$@.begun $$@.$$$$$$$$ && mv $$@.$$$$$$$$ $$@
$$(BUILD)/$(1)/gen/%.o: $$(BUILD)/gen/%.c $$(BUILD)/$(1)/flags | $$(GEN_H)
	@mkdir -p $$(@D) && touch $$@.begun
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(CFLAGS_$(1)) -MMD -MP -MT $$@ -MF $$(@:.o=.d) -c -o $$@.$$$$$$$$ $$< $$(call on_failure) && touch -r $$@.begun $$@.$$$$$$$$ && mv $$@.$$$$$$$$ $$@
$$(PROGRAM_$(1)): $$(linked_$(1)) $$(LIB_$(1)) | compile_commands.json
	$$(call say,link,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_$(1)) -o $$@.$$$$$$$$ $$^ $$(PANDO_LDLIBS) $$(LDLIBS_EXTRA) $$(call on_failure,$$(on_link_failure_$(1))) && mv $$@.$$$$$$$$ $$@
	@touch $$(BUILD)/built
-include $$(patsubst %.o,%.d,$$(call objects,$(1)))
endef
# The first build fails for what is missing on the machine more often than for what is wrong in the app.
on_failure = || { $(if $(wildcard $(BUILD)/built),,$(PANDO) doctor --missing >&2;) $(if $(1),$(1);) exit 1; }
# ld only says "undefined reference": whether that is another module's private part says the check.
on_link_failure_debug = $(PANDO) check --no-build --only PD-CHECK-054 >/dev/null
$(foreach mode,debug asan release,$(eval $(call mode_rules,$(mode))))
define seal_rule
$$(BUILD)/$(1)/sealed/$(2).o: $$(call module_objects,$(1),$(2)) $(wildcard modules/$(2)/$(2).h modules/$(2)/shapes.h)
	@mkdir -p $$(@D)
	$$(Q)$$(PANDO) seal --module $(2) --out $$@ $$(filter %.o,$$^)
endef
$(foreach mode,debug release,$(foreach m,$(MODULES),$(eval $(call seal_rule,$(mode),$(m)))))

# --- tests --------------------------------------------------------------------------------------

TEST_OBJECTS := $(filter-out $(BUILD)/asan/main.o,$(call objects,asan)) \
	$(HELPERS:%.c=$(BUILD)/asan/%.o)
RUNS := $(TEST_PROGRAMS:$(BUILD)/asan/%=run-%)
ifneq ($(ONLY),)
RUNS := $(filter $(patsubst %_test,%,$(ONLY:%=run-%))_test $(ONLY:%=run-%),$(RUNS))
endif
.PHONY: $(RUNS)
$(BUILD)/asan/%_test: $(BUILD)/asan/tests/%_test.o $(TEST_OBJECTS) $(LIB_asan)
	$(call say,link,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(LDFLAGS_asan) -o $@ $^ $(PANDO_LDLIBS) $(LDLIBS_EXTRA)
$(RUNS): run-%: $(BUILD)/asan/%
	@PANDO_ENV=test $<
test: $(RUNS)
	$(if $(RUNS),,$(error there is no test $(if $(ONLY),tests/$(ONLY)_test.c,in tests/*_test.c)))
-include $(patsubst %.c,$(BUILD)/asan/%.d,$(TESTS) $(HELPERS))
.SECONDARY: $(TESTS:%.c=$(BUILD)/asan/%.o)

# --- compile_commands.json, for clangd and its like ----------------------------------------------

object_of = $(if $(filter $(BUILD)/%,$(1)),$(1:$(BUILD)/%.c=$(BUILD)/debug/%.o),$(1:%.c=$(BUILD)/debug/%.o))
define command_entry
{"directory": "$(call json,$(CURDIR))", "file": "$(1)", "output": "$(call object_of,$(1))", "command": "$(call json,$(CC) $(CFLAGS_ALL) $(CFLAGS_debug)) -c $(1)"}
endef
define between
},
{
endef
_ := $(call remember,$(BUILD)/sources,$(CURDIR) $(SOURCES) $(TESTS) $(HELPERS))
compile_commands.json: $(BUILD)/compile_commands.json
	$(Q)ln -sfn $< $@
$(BUILD)/compile_commands.json: $(BUILD)/sources $(BUILD)/debug/flags
	$(file >$@,[$(subst } {,$(between),$(foreach s,$(SOURCES) $(TESTS) $(HELPERS) $(GEN_C),$(call command_entry,$(s))))])
