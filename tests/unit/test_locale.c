/* A decimal comma in the locale changes nothing of what is read and written. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/json/json_out.h"
#include "../support/capture.h"
#include "../support/decoded.h"

static char folder[128];

/* A German locale of this machine, or one made for the test. */
static bool speak_german(void)
{
	char command[400];
	if (setlocale(LC_ALL, "de_DE.UTF-8"))
		return true;
	snprintf(command, sizeof command,
		 "localedef -i de_DE -f UTF-8 --no-archive %s/de_DE.UTF-8 >%s/log 2>&1", folder,
		 folder);
	return system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 &&
	       setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

static int start(void **state)
{
	(void)state;
	make_folder(folder, sizeof folder);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	remove_folder(folder);
	return 0;
}

static void test_numbers(void **state)
{
	(void)state;
	if (!speak_german()) {
		print_message("there is no German locale here, and none could be made\n");
		skip();
	}
	assert_string_equal(localeconv()->decimal_point, ",");
	static const struct decode_options by_query = {.query = "label_smoothing=0.25"};
	assert_decodes(&by_query, "{\"logits\":[[0.5,-1.25e1]],\"targets\":[0]}",
		       "logits F32 (1, 2): 0,5 -12,5\ntargets I64 (1): 0\nlabel_smoothing 0.25\n");
	assert_refused(&(struct decode_options){0}, "{\"logits\":[[0,5]],\"targets\":[0,5.5]}",
		       LOSS_DTYPE_MISMATCH, "/targets/1",
		       "targets[1] is 5.5, but class indices are written as integers; "
		       "probabilities have the shape of the first tensor, (1, 2), not (2)");
}

static void test_written_numbers(void **state)
{
	(void)state;
	struct json_out out;
	if (strcmp(localeconv()->decimal_point, ",") != 0) {
		print_message("there is no German locale here, and none could be made\n");
		skip();
	}
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_buffer *buffer = loss_buffer_create(arena);
	json_out_start(&out, buffer);
	json_out_f64(&out, 0.1);
	assert_int_equal(buffer->size, 3);
	assert_memory_equal(buffer->data, "0.1", 3);
	loss_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_written_numbers),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
