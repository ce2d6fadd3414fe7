# lossd: build, run, test. `make help` lists the words.
#
#   make            build/lossd, build/libloss.a and build/libloss.so
#   make install    copies them, the headers and lossd.pc below PREFIX (/usr/local), itself below DESTDIR; make uninstall
#   make run        install what is missing, build, start the server on 127.0.0.1:8080
#   make test       install what is missing, build, run all the tests (RUN=config: those of that name)
#   make test-asan  the same under the address and undefined behaviour sanitizers
#   make test-tsan  the same under the thread sanitizer, with clang and libomp
#   make test-isa   the tests again with the kernels of each instruction set that the machine has
#   make test-interop  other people's clients (tritonclient, KServe, safetensors, Go, ...) against the server
#   make test-clients  clients that generators make of /openapi.json: Go, TypeScript, Python, Java (RUN=java)
#   make test-python  the Python package with NumPy, PyTorch, JAX, in process and by a server (RUN=torch)
#   make wheel      the Python package for other machines, into dist/; make sdist: its sources
#   make test-proxies  HAProxy and nginx, as docker/ configures them, in front of the server
#   make test-prometheus  a real Prometheus evaluates every rule of config/ and every query of its dashboard
#   make test-collector  the OpenTelemetry Collector, compiled here, gets the spans of the server: minutes
#   make test-pipelines  the jobs of api/examples/pipelines on Spark and Ray, with workers and servers killed (RUN=spark)
#   make test-neon  the kernels cross-compiled for aarch64, under qemu: the same bits as here
#   make golden     writes tests/isa/golden.sha256 anew: the results that every machine must come to
#   make test-attack  64 connections of good and hostile clients at once (ATTACK_SECONDS=300, ATTACK_SEED=)
#   make test-drain  SIGTERM under load: every request sent before it is answered (DRAINS=20, DRAIN_SEED=, IN_FLIGHT=1000)
#   make test-sim   scheduler, deadlines and budget by a clock that is moved: 100,000 lives (SIM_SCHEDULES=, SIM_SEED=)
#   make test-memory  peak memory under every hostile input, 64 at once, against the budget (MEMORY_CASES="a;b")
#   make test-lines  a million problems in one body, a line each: memory stays flat (LINES=200000)
#   make soak       a million requests: memory, descriptors and threads stay flat (SOAK_REQUESTS=200000, SOAK_SEED=)
#   make test-fault  memory that fails at every site, once and for good, in every kind of request (FAULT_SCENARIOS=)
#   make test-rotation  certificates and keys replaced under load: no request lost, nobody let in (ROTATIONS=100)
#   make test-mutation  small slips put into the code: which do the tests notice? (MUTANTS=150, SEED=, FILES=, JOBS=)
#   make fuzz-kernels  the kernels against the oracle, a million random rows (CASES=, SEED=)
#   make fuzz       codecs, parsers and requests under libFuzzer, with clang (TARGET="json head", FUZZ_SECONDS=60)
#   make check-numbers  reading and writing of numbers against the C library: all floats, 100 million doubles (COUNT=)
#   make lint       format, static analysis, both compilers with warnings as errors, what includes what
#   make bench      speed against the machine's limits and other implementations: docs/performance.md (BENCH="K1 K3")
#   make bench BENCH=sweep  every loss and argument, over types and shapes, beside PyTorch (SWEEP="F64 softcap")
#   make load       requests a second and latencies of a real server, over connections and bodies (LOAD="jsonl", LOAD_SECONDS=8)
#   make load-compare  the same by wrk, vegeta and oha, where they are, and with a server that stands still for a second
#   make bench-peers  installs those other implementations: PyTorch, FastAPI, oneDNN, simdjson, wrk
#   make clean      removes what was built

# V=1 shows the commands.
Q       := $(if $(V),,@)
BUILD   ?= build
LISTEN  ?= 127.0.0.1:8080
ARCH    := $(shell uname -m)
SYSTEM  := $(shell uname -s)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wdouble-promotion \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings -Wundef -Wcast-qual \
	-Wpointer-arith -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference $(if $(WERROR),-Werror)
HARDENING := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
ifneq (,$(filter x86_64 i686,$(ARCH)))
HARDENING += -fcf-protection=full
endif
# Vectors wider than the baseline's registers are passed only where they are inlined.
WARNINGS += -Wno-psabi
# A sanitizer replaces the hardening, which would hide its findings: make SANITIZE=address,undefined
ifdef SANITIZE
HARDENING := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
LINK_MODE := -fsanitize=$(SANITIZE)
else
ifeq ($(SYSTEM),Linux)
LINK_MODE := -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif
endif

OPENMP   ?= -fopenmp
# Of the library one set of objects, for libloss.a and libloss.so: only what loss.h declares can be seen from outside.
LIB_FLAGS := -fPIC -fvisibility=hidden -fno-semantic-interposition
POSITION  = -fPIE
CPPFLAGS := -D_GNU_SOURCE -Isrc -I$(BUILD)/gen
CFLAGS   ?= -O2 -g1
# For a few hundred bytes of known size gcc has string instructions of x86, which take longer to begin than to do them.
SHORT_COPIES := -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign \
	-mmemcpy-strategy=vector_loop:512:noalign,libcall:-1:noalign
SHORT_COPIES := $(shell $(CC) $(SHORT_COPIES) -E -x c /dev/null >/dev/null 2>&1 && echo '$(SHORT_COPIES)')
# Fused multiply-add is written where it is meant: the same bits from every compiler (docs/numerics.md).
ALL_CFLAGS = -std=c17 $(CFLAGS) $(OPTIMIZE) $(SHORT_COPIES) -ffp-contract=off $(POSITION) $(OPENMP) $(WARNINGS) $(HARDENING) $(EXTRA_CFLAGS)
LIBS      := -lmicrohttpd -lgnutls -lcurl -lcjson -lz -lzstd -lpthread -ldl -lm
TEST_LIBS := -lcmocka -lyaml

# Kernels for processors of another family than the one compiled for.
FOREIGN_ISA := $(if $(filter x86_64,$(ARCH)),,%_avx2.c %_avx512.c) $(if $(filter aarch64 arm64,$(ARCH)),,%_neon.c)

LIB_SRC    := $(filter-out %/oracle.c $(FOREIGN_ISA),$(wildcard src/*.c src/kernel/*.c src/kernel/*/*.c))
ORACLE_SRC := $(wildcard src/kernel/oracle.c src/kernel/*/oracle.c)
SERVER_SRC := $(wildcard server/*.c server/*/*.c server/*/*/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
TEST_SRC   := $(filter-out $(FOREIGN_ISA),$(wildcard tests/unit/test_*.c tests/property/test_*.c tests/http/test_*.c \
	tests/sim/test_*.c $(if $(filter Linux,$(SYSTEM)),tests/steps/test_*.c) tests/proxies/test_*.c tests/load/test_*.c tests/fuzz/targets/test_*.c))

LIB_OBJ     := $(LIB_SRC:%.c=$(BUILD)/%.o)
ORACLE_OBJ  := $(ORACLE_SRC:%.c=$(BUILD)/%.o)
SERVER_OBJ  := $(SERVER_SRC:%.c=$(BUILD)/%.o)
SUPPORT_OBJ := $(SUPPORT_SRC:%.c=$(BUILD)/%.o)
TEST_BIN    := $(TEST_SRC:%.c=$(BUILD)/%)
TESTED_OBJ  := $(filter-out $(BUILD)/server/main.o,$(SERVER_OBJ)) $(ORACLE_OBJ) $(SUPPORT_OBJ)

# The shared library's version and, of an interface that may still change, its soname.
VERSION := $(shell sed -n 's/^\#define LOSS_VERSION "\(.*\)"/\1/p' src/loss.h)
SONAME  := libloss.so.$(firstword $(subst ., ,$(VERSION)))
SHARED  := $(if $(filter Linux,$(SYSTEM)),$(BUILD)/libloss.so)

.PHONY: all
all: $(BUILD)/lossd $(BUILD)/libloss.a $(SHARED) $(BUILD)/lossd.pc

# For tests, of which each links what it calls: the library with its insides, and everything else but main.
INSIDE := $(BUILD)/inside.a
TESTED := $(BUILD)/tested.a
$(INSIDE): $(LIB_OBJ)
$(TESTED): $(TESTED_OBJ)
$(INSIDE) $(TESTED):
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# For programs: one object, in which names that no public header declares are nobody else's. A sanitizer's own hidden
# names must stay what they are.
OBJCOPY ?= objcopy
MEMBERS := $(if $(filter Linux,$(SYSTEM)$(SANITIZE)),$(BUILD)/libloss.o,$(LIB_OBJ))
$(BUILD)/libloss.a: $(LIB_OBJ)
	@echo "  AR $@"
	@rm -f $@
	$(Q)$(if $(filter %/libloss.o,$(MEMBERS)),$(CC) -r -nostdlib -o $(MEMBERS) $^ && $(OBJCOPY) --localize-hidden $(MEMBERS))
	$(Q)$(AR) rcs $@ $(MEMBERS)

$(BUILD)/libloss.so.$(VERSION): $(LIB_OBJ) src/libloss.map
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,src/libloss.map \
		$(filter-out -pie,$(LINK_MODE)) -o $@ $(LIB_OBJ) -lm
$(BUILD)/libloss.so: $(BUILD)/libloss.so.$(VERSION)
	@ln -sf $(<F) $(BUILD)/$(SONAME)
	@ln -sf $(SONAME) $@

$(BUILD)/lossd: $(SERVER_OBJ) $(BUILD)/libloss.a
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ $(LIBS)

# Objects of tests are kept like all others.
.SECONDARY:

# Rewritten when a compiler or a flag changes, so that everything is built anew.
FLAGS_NOW := $(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LIB_FLAGS) $(LINK_MODE)
$(BUILD)/flags: always
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
.PHONY: always

$(BUILD)/tests/%.o $(BUILD)/server/%.o $(BUILD)/steps/server/%.o: CPPFLAGS += -Iserver
$(BUILD)/src/%.o: POSITION = $(LIB_FLAGS)
$(BUILD)/src/kernel/%.o $(BUILD)/src/values.o $(BUILD)/src/half.o: OPTIMIZE = -O3
# One build of the vector kernels for each instruction set; cpu.c picks one when the program runs.
AVX2   := -mavx2 -mfma -mf16c
AVX512 := -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma
$(BUILD)/src/kernel/vector/vector_avx2.o: OPTIMIZE = -O3 $(AVX2)
$(BUILD)/src/kernel/vector/vector_avx512.o: OPTIMIZE = -O3 $(AVX512)
$(BUILD)/tests/unit/test_functions_avx2.o: OPTIMIZE = -O3 $(AVX2)
$(BUILD)/tests/unit/test_functions_avx512.o: OPTIMIZE = -O3 $(AVX512)
# Vectors of generic types are more than the analyzer understands, and there is nothing to free.
$(BUILD)/src/kernel/vector/%.o: override EXTRA_CFLAGS := $(filter-out -fanalyzer,$(EXTRA_CFLAGS))
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TESTED) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) $(TEST_LIBS)

# What reads a stranger's bytes, once more, with a call in every basic block and the C library's
# functions in reach of the counter: tests/steps/counter.h.
STEPS_SRC := $(wildcard src/*.c server/codec/*.c server/codec/*/*.c) $(addprefix server/http/,guard.c head.c target.c)
STEPS_OBJ := $(STEPS_SRC:%.c=$(BUILD)/steps/%.o)
COUNTED   := strlen strnlen strspn strcspn strchr strpbrk strstr memchr memcmp strcmp strncmp strcasecmp \
	strncasecmp memcpy memmove memset stpcpy realloc snprintf vsnprintf loss_hint_name
$(BUILD)/steps/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC $< (counted)"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -U_FORTIFY_SOURCE -fno-builtin -fsanitize-coverage=trace-pc -MMD -MP -c -o $@ $<
$(BUILD)/tests/sim/test_sim: $(BUILD)/tests/sim/world.o
$(BUILD)/tests/steps/test_steps: $(addprefix $(BUILD)/tests/steps/,test_steps.o documents.o counter.o) $(STEPS_OBJ) \
		$(filter-out $(STEPS_SRC:%.c=$(BUILD)/%.o),$(TESTED_OBJ)) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) $(COUNTED:%=-Wl,--wrap=%) -o $@ $^ $(LIBS) $(TEST_LIBS)

# For LD_PRELOAD: what fails of a program, on demand. Not instrumented, whatever it is loaded into.
INTERPOSER := $(if $(filter Linux,$(SYSTEM)),$(BUILD)/tests/fault/interposer.so)
$(BUILD)/tests/fault/interposer.so: tests/fault/interposer.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE -O2 -g1 -fPIC -shared $(WARNINGS) -o $@ $<

# Prints hashes of results; needs nothing but libloss, so that it can be cross-compiled.
$(BUILD)/tests/isa/hashes: $(addprefix $(BUILD)/tests/,isa/hashes.o support/cases.o support/case_draft.o support/case_arguments.o support/case_groups.o support/case_teacher.o support/case_families.o support/rows.o support/random.o) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -lm

# The server's base64 alone, likewise.
$(BUILD)/tests/isa/base64: $(addprefix $(BUILD)/,tests/isa/base64.o tests/support/random.o $(addprefix server/codec/base64/base64_,kernels.o avx2.o avx512.o neon.o)) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -lm

FUZZ_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/fuzz/*.c))
$(BUILD)/tests/fuzz/%.o: OPTIMIZE = -O3
$(BUILD)/tests/fuzz/fuzz_kernels: $(FUZZ_OBJ) $(addprefix $(BUILD)/tests/support/,random.o rows.o ulp.o) $(ORACLE_OBJ) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -lm

# What libFuzzer calls, and tests/fuzz/targets/test_corpora.c with the corpora that are kept.
TARGET_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/libfuzzer.c %/test_corpora.c,$(wildcard tests/fuzz/targets/*.c)))
$(BUILD)/tests/fuzz/targets/%.o: OPTIMIZE =
$(BUILD)/tests/fuzz/targets/test_corpora: $(TARGET_OBJ)
$(BUILD)/tests/fuzz/targets/fuzz: LINK_MODE = -fsanitize=fuzzer,address,undefined
$(BUILD)/tests/fuzz/targets/fuzz: $(BUILD)/tests/fuzz/targets/libfuzzer.o $(TARGET_OBJ) $(TESTED_OBJ) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ $(LIBS) $(TEST_LIBS)

NUMBERS_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/numbers/*.c server/codec/number/*.c))
$(BUILD)/tests/numbers/check: $(NUMBERS_OBJ) $(BUILD)/tests/support/random.o
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -lm

# The contract that the server serves at /openapi.yaml and /openapi.json, as the bytes of C arrays. What turns the one
# into the other runs here, whatever CC compiles for.
HOST_CC ?= cc
$(BUILD)/gen/yaml_to_json: api/yaml_to_json.c
	@mkdir -p $(@D)
	@echo "  HOST_CC $<"
	$(Q)$(HOST_CC) -std=c17 -D_GNU_SOURCE -O1 $(WARNINGS) -o $@ $< -lyaml
$(BUILD)/gen/openapi.json: api/openapi.yaml $(BUILD)/gen/yaml_to_json
	$(Q)$(BUILD)/gen/yaml_to_json <$< >$@ || { echo "$< can not be made into JSON" >&2; rm $@; exit 1; }
AS_ARRAY = od -An -v -tu1 $< | sed 's/  *\([0-9][0-9]*\)/\1,/g' > $@
$(BUILD)/gen/openapi_yaml.h: api/openapi.yaml
	@mkdir -p $(@D)
	@$(AS_ARRAY)
$(BUILD)/gen/openapi_json.h: $(BUILD)/gen/openapi.json
	@$(AS_ARRAY)
CONTRACT := $(BUILD)/gen/openapi_yaml.h $(BUILD)/gen/openapi_json.h
$(BUILD)/server/route/pages.o: $(CONTRACT)
.PHONY: contract
contract: $(CONTRACT)

-include $(LIB_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d) $(TARGET_OBJ:.o=.d) $(BUILD)/tests/fuzz/targets/libfuzzer.d $(NUMBERS_OBJ:.o=.d) $(BUILD)/tests/isa/hashes.d $(BUILD)/tests/isa/base64.d $(ORACLE_OBJ:.o=.d) $(SERVER_OBJ:.o=.d) $(SUPPORT_OBJ:.o=.d) $(STEPS_OBJ:.o=.d) $(TEST_BIN:=.d) $(wildcard $(BUILD)/tests/steps/*.d)

# ---------------------------------------------------------------- the Python package

# The folder that PYTHONPATH names, and what the wheel holds: the modules, those that follow from the tables of libloss,
# the program and the library, which find the libraries that a wheel brings in lib/.
PYTHON       ?= python3
PYTHON_FITS  := $(filter True,$(if $(SHARED),$(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 9))' 2>/dev/null)))
PACKAGE      := $(BUILD)/python/lossd
PACKAGE_SRC  := $(wildcard api/python/lossd/*)
PACKAGE_TREE := $(PACKAGE_SRC:api/python/%=$(BUILD)/python/%) $(PACKAGE)/lib/$(SONAME) $(PACKAGE)/bin/lossd $(PACKAGE)/functional.py
# Old tags are followed by the libraries that are found by them, too.
BESIDE = -Wl,--disable-new-dtags,-rpath,'$$ORIGIN$(1)'
$(BUILD)/python/tables: api/python/tables.c $(BUILD)/libloss.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -lm
$(PACKAGE)/functional.py: $(BUILD)/python/tables api/python/generate.py
	@mkdir -p $(@D)
	@echo "  PYTHON $@"
	$(Q)$< > $<.json && $(PYTHON) api/python/generate.py $<.json $(@D)
$(BUILD)/python/lossd/%: api/python/lossd/%
	@mkdir -p $(@D)
	@cp $< $@
$(PACKAGE)/lib/$(SONAME): $(LIB_OBJ) src/libloss.map
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) -shared -s -Wl,-soname,$(SONAME) -Wl,--version-script,src/libloss.map $(call BESIDE,) \
		$(filter-out -pie,$(LINK_MODE)) -o $@ $(LIB_OBJ) -lm
$(PACKAGE)/bin/lossd: $(SERVER_OBJ) $(BUILD)/libloss.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -s $(call BESIDE,/../lib) -o $@ $^ $(LIBS)

.PHONY: python-package
python-package: $(PACKAGE_TREE)

# For other machines: with the shared libraries that it needs, of which the C library must be as new as here.
DIST ?= dist
.PHONY: wheel sdist
wheel: setup-wheel
	@BUILD=$(BUILD) $(PYTHON) api/python/backend.py wheel $(DIST)
sdist:
	@$(PYTHON) api/python/backend.py sdist $(DIST)

# ---------------------------------------------------------------- install

PREFIX  ?= /usr/local
INSTALL ?= install
HEADERS := src/loss.h $(wildcard src/loss/*.h)
INSTALLED := bin/lossd lib/libloss.a $(SHARED:$(BUILD)/%=lib/%) $(if $(SHARED),lib/$(SONAME) lib/libloss.so.$(VERSION)) \
	lib/pkgconfig/lossd.pc $(HEADERS:src/%=include/%)

# What a program needs that links libloss; static linking needs what is private too.
define PKG_CONFIG
prefix=$(PREFIX)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: lossd
Description: Loss functions over logits and targets, with gradients
Version: $(VERSION)
Cflags: -I$${includedir}
Libs: -L$${libdir} -lloss
Libs.private: $(if $(findstring clang,$(CC)),-lomp,-lgomp) -lpthread -lm
endef
export PKG_CONFIG
$(BUILD)/lossd.pc: always
	@mkdir -p $(@D)
	@printf '%s\n' "$$PKG_CONFIG" | cmp -s - $@ || printf '%s\n' "$$PKG_CONFIG" > $@

# A relative path would be written into lossd.pc, one with spaces would be two.
ifneq (,$(filter install install-built uninstall,$(MAKECMDGOALS)))
ifneq (1 1,$(words $(PREFIX)) $(words $(filter /%,$(PREFIX))))
$(error PREFIX is "$(PREFIX)", but must be an absolute path without spaces)
endif
endif

.PHONY: install install-built uninstall
install: all
	@$(MAKE) --no-print-directory install-built
# As things are, with nothing built for it.
install-built:
	@echo "  INSTALL $(DESTDIR)$(PREFIX)"
	$(Q)$(INSTALL) -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include/loss)
	$(Q)$(INSTALL) -m 755 $(BUILD)/lossd $(DESTDIR)$(PREFIX)/bin
	$(Q)$(INSTALL) -m 644 $(BUILD)/libloss.a $(if $(SHARED),$(SHARED).$(VERSION)) $(DESTDIR)$(PREFIX)/lib
	$(Q)$(if $(SHARED),cp -P $(SHARED) $(BUILD)/$(SONAME) $(DESTDIR)$(PREFIX)/lib)
	@printf '%s\n' "$$PKG_CONFIG" > $(DESTDIR)$(PREFIX)/lib/pkgconfig/lossd.pc
	$(Q)$(INSTALL) -m 644 src/loss.h $(DESTDIR)$(PREFIX)/include
	$(Q)$(INSTALL) -m 644 $(filter src/loss/%,$(HEADERS)) $(DESTDIR)$(PREFIX)/include/loss
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(INSTALLED))
	-rmdir $(DESTDIR)$(PREFIX)/include/loss

# ---------------------------------------------------------------- run and test

.PHONY: setup-run setup-test setup-tsan setup-lint setup-neon setup-fuzz setup-interop setup-clients setup-proxies setup-prometheus \
	setup-attack setup-mutation setup-wheel
setup-run:
	@.ci/packages build run
setup-test:
	@.ci/packages build test
setup-attack setup-wheel:
	@.ci/packages build python
setup-mutation:
	@.ci/packages build test python
setup-tsan:
	@.ci/packages build test tsan
setup-lint:
	@.ci/packages build test tsan lint
setup-fuzz:
	@.ci/packages build test tsan fuzz
# Without these tests/isa/neon skips; not every system has them.
setup-neon:
	@.ci/packages build neon || true

# Without these tests/interop skips what needs Python's clients.
setup-interop:
	@.ci/packages build test interop || true

# Without these tests/clients skips Python's.
setup-clients:
	@.ci/packages build run interop || true

# Without these tests/prometheus skips.
setup-prometheus: setup-run
	@.ci/packages prometheus python || true

# Without these tests/proxies skips.
setup-proxies: setup-test
	@.ci/packages proxies || true

.PHONY: run
run: setup-run
	@$(MAKE) --no-print-directory all
	@exec $(BUILD)/lossd --listen $(LISTEN)

.PHONY: tests-built test
# The Python package where there is Python to make it: without it tests/python skips.
tests-built: all $(TEST_BIN) $(BUILD)/tests/isa/hashes $(BUILD)/tests/load/lossd-load $(INTERPOSER) $(if $(PYTHON_FITS),python-package)
test: setup-test
	@$(MAKE) --no-print-directory tests-built
	@BUILD=$(BUILD) tests/run

.PHONY: test-asan test-tsan
test-asan: setup-test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined CFLAGS=-O1 test
test-tsan: setup-tsan
	@TSAN_OPTIONS="ignore_noninstrumented_modules=1 $$TSAN_OPTIONS" \
		$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan CC=clang SANITIZE=thread CFLAGS=-O1 test

# Installs the clients into $(BUILD)/interop; RUN=kserve runs those of that name.
.PHONY: test-interop
test-interop: setup-interop
	@$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) tests/interop/run

# Installs NumPy, PyTorch, JAX into $(BUILD)/python-venv; RUN=torch runs the tests of that name.
.PHONY: test-python
test-python: setup-interop
	@$(MAKE) --no-print-directory all python-package
	@BUILD=$(BUILD) tests/python/run

# Has generators make clients of the contract, and compiles them, in $(BUILD)/clients; RUN=java runs those of that name.
.PHONY: test-clients
test-clients: setup-clients
	@$(MAKE) --no-print-directory $(BUILD)/lossd
	@BUILD=$(BUILD) tests/clients/run

# HAProxy and nginx in front of the server, with the configurations of docker/.
.PHONY: test-proxies
test-proxies: setup-proxies
	@$(MAKE) --no-print-directory $(BUILD)/tests/proxies/test_proxies $(BUILD)/lossd
	@BUILD=$(BUILD) TESTS=tests/proxies tests/run

# Installs the engines into $(BUILD)/pipelines; RUN=ray runs those of that name.
.PHONY: test-pipelines
test-pipelines: setup-proxies
	@$(MAKE) --no-print-directory $(BUILD)/lossd python-package
	@BUILD=$(BUILD) tests/pipelines/run

# Rules, dashboard and page by promtool and a real Prometheus; `make test` does so too where these are installed.
.PHONY: test-prometheus
test-prometheus: setup-prometheus
	@$(MAKE) --no-print-directory $(BUILD)/lossd
	@BUILD=$(BUILD) TESTS=tests/prometheus tests/run

# The OpenTelemetry Collector, compiled from its Go modules, gets the spans of the real server.
.PHONY: test-collector
test-collector: setup-run
	@$(MAKE) --no-print-directory $(BUILD)/lossd
	@BUILD=$(BUILD) tests/collector/run

# Too long for `make test`. Under a sanitizer: with the variables that test-asan and test-tsan give.
.PHONY: test-attack test-drain test-memory test-lines soak test-mutation
test-attack test-drain test-memory test-lines soak: setup-attack
	@$(MAKE) --no-print-directory $(BUILD)/lossd
	@BUILD=$(BUILD) PYTHONDONTWRITEBYTECODE=1 tests/attack/$(@:test-%=%).py
.PHONY: test-fault
test-fault: setup-attack
	@$(MAKE) --no-print-directory $(BUILD)/lossd $(INTERPOSER)
	@BUILD=$(BUILD) PYTHONDONTWRITEBYTECODE=1 tests/fault/torture.py
ROTATED := $(addprefix $(BUILD)/tests/http/,test_rotation test_keys_reload)
.PHONY: test-rotation
test-rotation: setup-test
	@$(MAKE) --no-print-directory $(BUILD)/lossd $(ROTATED)
	@for test in $(ROTATED); do ROTATIONS=$${ROTATIONS:-100} BUILD=$(BUILD) $$test || exit 1; done
# In a copy of the tree, with a build of its own.
test-mutation: setup-mutation
	@MAKEFLAGS= PYTHONDONTWRITEBYTECODE=1 tests/mutation/mutate.py

# SIM_SEED= is one of them again, step by step.
.PHONY: test-sim
test-sim: setup-test
	@$(MAKE) --no-print-directory $(BUILD)/tests/sim/test_sim
	@SIM_SCHEDULES=$${SIM_SCHEDULES:-100000} $(BUILD)/tests/sim/test_sim

.PHONY: test-isa test-neon golden fuzz-kernels
test-isa: setup-test
	@$(MAKE) --no-print-directory tests-built
	@BUILD=$(BUILD) tests/isa/each
test-neon: setup-neon
	@$(MAKE) --no-print-directory $(BUILD)/tests/isa/hashes
	@BUILD=$(BUILD) tests/isa/neon
golden: $(BUILD)/tests/isa/hashes
	@BUILD=$(BUILD) tests/isa/golden write
fuzz-kernels: setup-test
	@$(MAKE) --no-print-directory $(BUILD)/tests/fuzz/fuzz_kernels
	@BUILD=$(BUILD) tests/fuzz/run

# A build of its own: every object is instrumented.
.PHONY: fuzz
fuzz: setup-fuzz
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined \
		CFLAGS=-O1 EXTRA_CFLAGS=-Wno-pass-failed \
		$(BUILD)/fuzz/tests/fuzz/targets/fuzz
	@BUILD=$(BUILD) tests/fuzz/targets/run $(TARGET)

.PHONY: check-numbers
check-numbers: setup-test
	@$(MAKE) --no-print-directory $(BUILD)/tests/numbers/check
	@$(BUILD)/tests/numbers/check $(COUNT)

.PHONY: lint
lint: setup-lint
	@BUILD=$(BUILD) .ci/lint

# ---------------------------------------------------------------- speed

BENCH_SRC := $(filter-out %/onednn.c %/discard.c $(FOREIGN_ISA),$(wildcard tests/bench/*.c))
BENCH_OBJ := $(BENCH_SRC:%.c=$(BUILD)/%.o) $(addprefix $(BUILD)/tests/support/,pem.o random.o)
$(BUILD)/tests/bench/%.o: OPTIMIZE = -O3
$(BUILD)/tests/bench/probe_avx2.o: OPTIMIZE = -O3 $(AVX2)
$(BUILD)/tests/bench/probe_avx512.o: OPTIMIZE = -O3 $(AVX512)
$(BUILD)/tests/bench/bench: $(BENCH_OBJ) $(filter-out $(BUILD)/server/main.o,$(SERVER_OBJ)) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ $(LIBS)
$(BUILD)/tests/bench/onednn: $(BUILD)/tests/bench/onednn.o $(BUILD)/tests/bench/timing.o
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -ldnnl -lm
$(BUILD)/tests/bench/discard: $(BUILD)/tests/bench/discard.o
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -lmicrohttpd
# That of bench-peers, or the distribution's library.
SIMDJSON := $(wildcard $(BUILD)/peers/simdjson/simdjson.cpp)
$(BUILD)/tests/bench/simdjson: tests/bench/simdjson.cpp $(SIMDJSON)
	@mkdir -p $(@D)
	@echo "  CXX $<"
	$(Q)$(CXX) -std=c++17 -O3 -o $@ $^ $(if $(SIMDJSON),-I$(dir $(SIMDJSON)),-lsimdjson)
-include $(BENCH_OBJ:.o=.d)

# Loads a server: tests/load.
LOAD_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/test_histogram.c,$(wildcard tests/load/*.c))) $(BUILD)/tests/support/random.o
$(BUILD)/tests/load/lossd-load: $(LOAD_OBJ) $(INSIDE)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(LINK_MODE) -o $@ $^ -lcurl -lpthread -lm
$(BUILD)/tests/load/test_histogram: $(BUILD)/tests/load/histogram.o
-include $(LOAD_OBJ:.o=.d)

# oneDNN and simdjson are built for where their headers are.
.PHONY: bench-built bench bench-peers
bench-built: $(BUILD)/tests/bench/bench $(BUILD)/tests/bench/discard $(BUILD)/lossd $(if $(PYTHON_FITS),python-package)
	@if [ -n "$(SIMDJSON)" ] || echo '#include <simdjson.h>' | $(CXX) -std=c++17 -x c++ -E -o /dev/null - 2>/dev/null; then \
		$(MAKE) -s --no-print-directory $(BUILD)/tests/bench/simdjson; fi
	@if echo '#include <oneapi/dnnl/dnnl.h>' | $(CC) -E -o /dev/null - 2>/dev/null; then \
		$(MAKE) -s --no-print-directory $(BUILD)/tests/bench/onednn; fi
# Threads that wait for work spin for half a millisecond, not for many: those of ours and of a peer, which take turns,
# would be in each other's way.
bench: export GOMP_SPINCOUNT ?= 10000
bench: bench-built
	@$(BUILD)/tests/bench/bench $(BUILD) $(BENCH)
bench-peers:
	@tests/bench/install-peers $(BUILD)/peers

.PHONY: load load-compare
# At the beginning of a line "load" alone is a directive.
load-compare load: setup-attack
	@$(MAKE) --no-print-directory $(BUILD)/lossd $(BUILD)/tests/load/lossd-load
	@BUILD=$(BUILD) PYTHONDONTWRITEBYTECODE=1 tests/load/$(if $(@:load=),compare,table).py $(LOAD)

# The steps of docker/Dockerfile without a container engine: as root, with mmdebstrap.
.PHONY: try-docker
try-docker:
	@docker/try-steps

.PHONY: clean help
clean:
	rm -rf $(BUILD)
help:
	@sed -n 's/^#   //p' Makefile
