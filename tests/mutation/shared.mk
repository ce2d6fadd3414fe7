# Read after the Makefile: what a mutant may change is linked once, into a library that all tests and lossd load,
# so that a mutant costs one compilation and one link.
#
#   make -f Makefile -f tests/mutation/shared.mk BUILD=build mutated      the library and lossd
#   make -f Makefile -f tests/mutation/shared.mk BUILD=build mutation-tests

RUN_FOLDER := $(BUILD)/run
MUTATED    := $(RUN_FOLDER)/libmutated.so
LOADS      := -L$(RUN_FOLDER) -lmutated

$(MUTATED): $(filter-out $(BUILD)/server/main.o,$(SERVER_OBJ)) $(LIB_OBJ)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) -shared -o $@ $^ $(LIBS)

$(RUN_FOLDER)/lossd: $(BUILD)/server/main.o | $(MUTATED)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) -pie -Wl,-rpath,'$$ORIGIN' -o $@ $^ $(LOADS) $(LIBS)

$(RUN_FOLDER)/tests/%: $(BUILD)/tests/%.o $(ORACLE_OBJ) $(SUPPORT_OBJ) | $(MUTATED)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) -pie -Wl,-rpath,'$$ORIGIN/../..:$$ORIGIN/../../..' -o $@ $^ $(LOADS) $(LIBS) $(TEST_LIBS)
$(RUN_FOLDER)/tests/fuzz/targets/test_corpora: $(TARGET_OBJ)

.PHONY: mutated mutation-tests
mutated: $(MUTATED) $(RUN_FOLDER)/lossd
# Not tests/steps, which has the code in itself, and tests/proxies, which need other programs.
mutation-tests: mutated $(patsubst %.c,$(RUN_FOLDER)/%,$(filter-out tests/steps/% tests/proxies/%,$(TEST_SRC)))
