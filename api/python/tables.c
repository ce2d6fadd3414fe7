/*
 * Prints the tables of libloss, and the sizes that its structs depend on, as JSON. The Python
 * package is generated from it (generate.py), so that whatever is added to a table is in it.
 */
#include <loss.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct word {
	const char *name;
	unsigned bit;
};

static const struct word kinds[] = {
	{"number", LOSS_KIND_NUMBER},   {"index", LOSS_KIND_INDEX},
	{"boolean", LOSS_KIND_BOOLEAN}, {"probability", LOSS_KIND_PROBABILITY},
	{"group", LOSS_KIND_GROUP},     {"count", LOSS_KIND_COUNT},
};
static const struct word needs[] = {
	{"indices", LOSS_NEEDS_INDICES},
	{"grad_output", LOSS_NEEDS_GRAD_OUTPUT},
	{"groups", LOSS_NEEDS_GROUPS},
	{"bytes", LOSS_NEEDS_BYTES},
};
static const char *const argument_types[] = {
	[LOSS_ARGUMENT_BOOLEAN] = "boolean",
	[LOSS_ARGUMENT_INTEGER] = "integer",
	[LOSS_ARGUMENT_NUMBER] = "number",
	[LOSS_ARGUMENT_CHOICE] = "choice",
};
static const char *const dtype_classes[] = {
	[LOSS_CLASS_FLOAT] = "float",
	[LOSS_CLASS_SIGNED] = "signed",
	[LOSS_CLASS_UNSIGNED] = "unsigned",
	[LOSS_CLASS_BOOL] = "bool",
};
/* Tensors that are about outputs beside the first one, or about gradients. */
static const loss_role aside[] = {LOSS_ROLE_GROUPS, LOSS_ROLE_BYTES, LOSS_ROLE_GRAD_OUTPUT};

static void put_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void put_member(const char *name, const char *text)
{
	printf("\"%s\": ", name);
	put_text(text);
}

static void put_comma(size_t i)
{
	if (i > 0)
		printf(", ");
}

static void put_bits(const char *name, unsigned bits, const struct word *words, size_t n)
{
	size_t put = 0;
	printf("\"%s\": [", name);
	for (size_t i = 0; i < n; i++)
		if (bits & words[i].bit) {
			put_comma(put++);
			put_text(words[i].name);
		}
	printf("]");
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static bool is_aside(loss_role role)
{
	for (size_t i = 0; i < COUNT(aside); i++)
		if (aside[i] == role)
			return true;
	return false;
}

static void put_tensor(const struct loss_info *loss, size_t i)
{
	const struct loss_tensor_info *tensor = &loss->tensors[i];
	char phrase[LOSS_PHRASE_CHARS];
	size_t put = 0;
	printf("{");
	put_member("name", tensor->name);
	printf(", \"required\": %s, \"aside\": %s, \"dtypes\": [", boolean(tensor->required),
	       boolean(is_aside(tensor->role)));
	for (unsigned dtype = 0; dtype < LOSS_N_DTYPES; dtype++)
		if (tensor->dtypes & LOSS_DTYPE_BIT(dtype)) {
			put_comma(put++);
			put_text(loss_dtype_info((loss_dtype)dtype)->name);
		}
	printf("], ");
	put_bits("kinds", tensor->kinds, kinds, COUNT(kinds));
	loss_describe_tensor_shape(loss, i, phrase, sizeof phrase);
	printf(", ");
	put_member("shape", phrase);
	printf(", ");
	put_member("help", tensor->help);
	printf("}");
}

static void put_argument(const struct loss_info *loss, size_t i)
{
	const struct loss_argument_info *argument = loss->arguments[i];
	char phrase[LOSS_PHRASE_CHARS];
	printf("{");
	put_member("name", argument->name);
	printf(", ");
	put_member("type", argument_types[argument->type]);
	printf(", \"default\": %s, \"choices\": [", argument->default_json);
	for (size_t c = 0; argument->choices && argument->choices[c]; c++) {
		put_comma(c);
		put_text(argument->choices[c]);
	}
	loss_describe_argument_range(loss, i, phrase, sizeof phrase);
	printf("], ");
	put_member("range", phrase);
	printf(", ");
	put_member("help", argument->help);
	printf("}");
}

static void put_output(const struct loss_info *loss, size_t i)
{
	const struct loss_output_info *output = loss->outputs[i];
	char phrase[LOSS_PHRASE_CHARS];
	printf("{");
	put_member("name", output->name);
	printf(", ");
	put_bits("needs", output->needs, needs, COUNT(needs));
	loss_describe_output_dtype(loss, i, phrase, sizeof phrase);
	printf(", ");
	put_member("dtype", phrase);
	loss_describe_output_shape(loss, i, phrase, sizeof phrase);
	printf(", ");
	put_member("shape", phrase);
	printf(", ");
	put_member("help", output->help);
	printf("}");
}

typedef void put_fn(const struct loss_info *loss, size_t i);

static void put_list(const char *name, const struct loss_info *loss, size_t n, put_fn *put)
{
	printf(",\n  \"%s\": [", name);
	for (size_t i = 0; i < n; i++) {
		printf("%s\n   ", i > 0 ? "," : "");
		put(loss, i);
	}
	printf("]");
}

static void put_loss(const struct loss_info *loss)
{
	printf(" {");
	put_member("name", loss->name);
	printf(", ");
	put_member("summary", loss->summary);
	printf(", \"element_wise\": %s, \"has_totals\": %s", boolean(loss->element_wise),
	       boolean(loss->has_totals));
	put_list("tensors", loss, loss->n_tensors, put_tensor);
	put_list("arguments", loss, loss->n_arguments, put_argument);
	put_list("outputs", loss, loss->n_outputs, put_output);
	printf("}");
}

static void put_dtypes(void)
{
	printf("\"dtypes\": [");
	for (int dtype = 0; dtype < LOSS_N_DTYPES; dtype++) {
		const struct loss_dtype_traits *traits = loss_dtype_info((loss_dtype)dtype);
		put_comma((size_t)dtype);
		printf("{");
		put_member("name", traits->name);
		printf(", \"size\": %zu, ", traits->size);
		put_member("class", dtype_classes[traits->dtype_class]);
		printf("}");
	}
	printf("]");
}

static void put_statuses(void)
{
	printf("\"statuses\": [");
	for (loss_status status = 0; status < LOSS_N_STATUS; status++) {
		put_comma((size_t)status);
		put_text(loss_status_info(status)->code);
	}
	printf("]");
}

int main(void)
{
	struct loss_error *error = NULL;
	printf("{\"version\": \"%s\",\n", LOSS_VERSION);
	printf("\"max_rank\": %d, \"max_outputs\": %d, \"max_warnings\": %d,\n", LOSS_MAX_RANK,
	       LOSS_MAX_OUTPUTS, LOSS_MAX_WARNINGS);
	printf("\"field_chars\": %zu, \"detail_chars\": %zu, \"call_size\": %zu,\n",
	       sizeof error->field, sizeof error->detail, sizeof(struct loss_call));
	put_dtypes();
	printf(",\n");
	put_statuses();
	printf(",\n\"losses\": [\n");
	for (size_t i = 0; loss_at(i); i++) {
		printf("%s", i > 0 ? ",\n" : "");
		put_loss(loss_at(i));
	}
	printf("]}\n");
	return 0;
}
