/* The losses as models: what is said of their tensors is what evaluating them takes and gives. */
#include "v2/v2_model.h"

#include "codec/oip/oip_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 2
#define CLASSES 3

static struct loss_arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = loss_arena_create(NULL);
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	loss_arena_destroy(arena);
	return 0;
}

/* A tensor of the shown type and rank: zeros of INT64, halves of FP32. */
static struct loss_tensor make_tensor(struct v2_tensor shown, loss_role role)
{
	static int64_t zeros[ROWS * CLASSES];
	static float halves[ROWS * CLASSES] = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
	struct loss_tensor tensor = {.dtype = shown.dtype, .rank = shown.rank};
	bool classes = role == LOSS_ROLE_WEIGHT;
	tensor.shape[0] = ROWS;
	tensor.shape[1] = CLASSES;
	if (classes)
		tensor.shape[0] = CLASSES;
	assert_true(loss_tensor_set_count(&tensor));
	tensor.data = shown.dtype == LOSS_I64 ? (void *)zeros : (void *)halves;
	return tensor;
}

/* Element-wise losses take weights of the input's shape, the others one for each class. */
static bool is_element_wise(const struct loss_info *loss)
{
	return v2_input(loss, 0).rank == 1;
}

static void set_inputs(struct loss_problem *problem, const struct loss_info *loss, bool optional)
{
	for (size_t i = 0; i < loss->n_tensors; i++) {
		struct loss_error err;
		struct v2_tensor shown = v2_input(loss, i);
		loss_role role = loss->tensors[i].role;
		bool teacher = strncmp(shown.name, "teacher_", 8) == 0; /* one of them */
		bool first = strcmp(shown.name, "teacher_logits") == 0;
		/* Of the objective that policy_gradient has unless another is given. */
		bool sampling = strcmp(shown.name, "sampling_log_probs") == 0;
		if (teacher ? !first : !shown.required && !optional && !sampling)
			continue;
		if (is_element_wise(loss))
			role = LOSS_ROLE_INPUT;
		struct loss_tensor tensor = make_tensor(shown, role);
		assert_int_equal(loss_problem_set_tensor(problem, i, &tensor, &err), LOSS_OK);
	}
}

static void evaluate(const struct loss_info *loss, bool optional, struct loss_result *result)
{
	const char *names[LOSS_MAX_OUTPUTS];
	struct loss_error err = {0};
	struct loss_problem *problem = loss_problem_create(loss, arena);
	size_t n = 0;
	for (size_t i = 0; i < loss->n_outputs; i++) {
		/* Another objective of policy_gradient's has it. */
		if (strcmp(loss->outputs[i]->name, "clip_fraction") == 0)
			continue;
		/* The softmaxes have no gradient of their own; others need what is not given. */
		if (optional || (strcmp(loss->outputs[i]->name, "grad") != 0 &&
				 !(loss->outputs[i]->needs &
				   (LOSS_NEEDS_GROUPS | LOSS_NEEDS_BYTES | LOSS_NEEDS_TARGETS))))
			names[n++] = loss->outputs[i]->name;
	}
	set_inputs(problem, loss, optional);
	assert_int_equal(loss_problem_set_outputs(problem, names, n, &err), LOSS_OK);
	if (loss_evaluate(problem, arena, 1, NULL, result, &err) != LOSS_OK)
		fail_msg("%s: %s", loss->name, err.detail);
	assert_int_equal(result->n_outputs, n);
}

static struct v2_tensor find_output(const struct loss_info *loss, const char *name)
{
	for (size_t i = 0; i < loss->n_outputs; i++)
		if (strcmp(v2_output(loss, i).name, name) == 0)
			return v2_output(loss, i);
	fail_msg("%s has no output %s", loss->name, name);
	return (struct v2_tensor){0};
}

/* With and without the optional inputs. */
static void tensors_are_as_shown(void **state)
{
	const struct loss_info *loss;
	(void)state;
	for (size_t i = 0; (loss = loss_at(i)); i++) {
		for (int optional = 0; optional < 2; optional++) {
			struct loss_result result;
			evaluate(loss, optional, &result);
			for (size_t k = 0; k < result.n_outputs; k++) {
				const struct loss_output *output = &result.outputs[k];
				struct v2_tensor shown = find_output(loss, output->name);
				if (output->tensor.rank != shown.rank ||
				    output->tensor.dtype != shown.dtype)
					fail_msg("%s of %s is %s of rank %d", output->name,
						 loss->name, oip_name(output->tensor.dtype),
						 output->tensor.rank);
			}
		}
	}
}

/* ---------------------------------------------------------------- documents */

typedef bool write_document(struct loss_buffer *, const struct loss_info *);

static cJSON *document_of(write_document *write, const struct loss_info *loss)
{
	struct loss_buffer *out = loss_buffer_create(arena);
	assert_true(write(out, loss));
	cJSON *json = cJSON_ParseWithLength((const char *)out->data, out->size);
	assert_non_null(json);
	return json;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!found)
		fail_msg("there is no %s", name);
	return found;
}

static const char *text(const cJSON *object, const char *name)
{
	const char *value = cJSON_GetStringValue(member(object, name));
	assert_non_null(value);
	return value;
}

/* One entry of a list, in either document. */
static void check_tensor(const cJSON *entry, struct v2_tensor shown, const char *type_key,
			 const char *prefix, const char *shape_key)
{
	char type[32];
	assert_string_equal(text(entry, "name"), shown.name);
	strcpy(type, prefix);
	strcat(type, oip_name(shown.dtype));
	assert_string_equal(text(entry, type_key), type);
	const cJSON *shape = member(entry, shape_key);
	assert_int_equal(cJSON_GetArraySize(shape), shown.rank);
	for (const cJSON *dimension = shape->child; dimension; dimension = dimension->next)
		assert_true(cJSON_IsNumber(dimension) && dimension->valueint == -1);
}

static void metadata_lists_all_tensors(void **state)
{
	const struct loss_info *loss;
	(void)state;
	for (size_t i = 0; (loss = loss_at(i)); i++) {
		cJSON *json = document_of(v2_write_metadata, loss);
		assert_string_equal(text(json, "name"), loss->name);
		assert_string_equal(text(json, "platform"), "lossd");
		assert_int_equal(cJSON_GetArraySize(member(json, "versions")), 1);
		assert_string_equal(member(json, "versions")->child->valuestring, "1");
		const cJSON *inputs = member(json, "inputs"), *outputs = member(json, "outputs");
		assert_int_equal(cJSON_GetArraySize(inputs), loss->n_tensors);
		assert_int_equal(cJSON_GetArraySize(outputs), loss->n_outputs);
		size_t k = 0;
		for (const cJSON *at = inputs->child; at; at = at->next)
			check_tensor(at, v2_input(loss, k++), "datatype", "", "shape");
		k = 0;
		for (const cJSON *at = outputs->child; at; at = at->next)
			check_tensor(at, v2_output(loss, k++), "datatype", "", "shape");
		cJSON_Delete(json);
	}
}

static void the_configuration_lists_the_same(void **state)
{
	const struct loss_info *loss;
	(void)state;
	for (size_t i = 0; (loss = loss_at(i)); i++) {
		cJSON *json = document_of(v2_write_config, loss);
		assert_string_equal(text(json, "name"), loss->name);
		assert_string_equal(text(json, "platform"), "lossd");
		assert_true(cJSON_IsNumber(member(json, "max_batch_size")));
		assert_int_equal(member(json, "max_batch_size")->valueint, 0);
		const cJSON *input = member(json, "input"), *output = member(json, "output");
		assert_int_equal(cJSON_GetArraySize(input), loss->n_tensors);
		assert_int_equal(cJSON_GetArraySize(output), loss->n_outputs);
		size_t k = 0;
		for (const cJSON *at = input->child; at; at = at->next, k++) {
			check_tensor(at, v2_input(loss, k), "data_type", "TYPE_", "dims");
			assert_int_equal(cJSON_IsTrue(member(at, "optional")),
					 !loss->tensors[k].required);
		}
		k = 0;
		for (const cJSON *at = output->child; at; at = at->next)
			check_tensor(at, v2_output(loss, k++), "data_type", "TYPE_", "dims");
		cJSON_Delete(json);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tensors_are_as_shown),
		TEST(metadata_lists_all_tensors),
		TEST(the_configuration_lists_the_same),
	};
	return cmocka_run_group_tests_name("v2 model", tests, NULL, NULL);
}
