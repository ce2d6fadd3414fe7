#include "eval_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/limits.h"

#define DEFAULT_LOSS "cross_entropy"
#define MOST_THREADS 1024

/* One line on standard error; false. */
__attribute__((format(printf, 1, 2))) static bool complain(const char *format, ...)
{
	char line[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	fprintf(stderr, "lossd eval: %s\n", line);
	return false;
}

/* ---------------------------------------------------------------- formats */

static const struct eval_format formats[] = {
	{"json", "json", EVAL_STREAM, &protocol_v1, 0},
	{"jsonl", "json", EVAL_LINES, &protocol_v1, 0},
	{"ndjson", "json", EVAL_LINES, &protocol_v1, 0},
	{"safetensors", "safetensors", EVAL_STREAM, &protocol_v1, 1},
	{"npz", "npz", EVAL_ARCHIVE, &protocol_files, 0},
	{"oip", "json", EVAL_STREAM, &protocol_v2, 0},
};
#define N_FORMATS (sizeof formats / sizeof formats[0])

const struct eval_format *eval_format_find(const char *name, size_t n)
{
	for (size_t i = 0; i < N_FORMATS; i++)
		if (strlen(formats[i].name) == n && memcmp(formats[i].name, name, n) == 0)
			return &formats[i];
	return NULL;
}

/* ---------------------------------------------------------------- pairs */

static const char *const teachers[] = {"teacher_log_probs", NULL};
static const struct eval_pair pairs[] = {
	{"divergence", "teacher_logits", "logits", teachers},
};

static const struct eval_pair *find_pair(const struct loss_info *loss)
{
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (strcmp(pairs[i].loss, loss->name) == 0)
			return &pairs[i];
	return NULL;
}

/* ---------------------------------------------------------------- help */

static void print_pair(const struct eval_pair *pair)
{
	printf("  --%-18s what both files call their logits (%s): of two files in safetensors,\n"
	       "  %-20s BASE and CANDIDATE, the first has %s and the second %s\n",
	       "tensor", pair->second, "", pair->first, pair->second);
}

static void print_tensors(const struct loss_info *loss)
{
	for (size_t i = 0; i < loss->n_tensors; i++)
		printf("  --%-18s a NumPy array (.npy)%s\n", loss->tensors[i].name,
		       loss->tensors[i].required ? "" : ", optional");
}

/* What argument i may be: " One of a, b." or " 0 to 1.", or "" where its type says it all. */
static void describe_values(const struct loss_info *loss, size_t i, char *out, size_t size)
{
	const struct loss_argument_info *argument = loss->arguments[i];
	char range[LOSS_PHRASE_CHARS - 8];
	size_t n = 0;
	out[0] = '\0';
	if (argument->type != LOSS_ARGUMENT_CHOICE) {
		loss_describe_argument_range(loss, i, range, sizeof range);
		if (range[0])
			snprintf(out, size, " %s.", range);
		return;
	}
	for (const char *const *choice = argument->choices; *choice && n < size; choice++)
		n += (size_t)snprintf(out + n, size - n, "%s%s%s",
				      choice == argument->choices ? " One of " : ", ", *choice,
				      choice[1] ? "" : ".");
}

static void print_arguments(const struct loss_info *loss)
{
	for (size_t i = 0; i < loss->n_arguments; i++) {
		const struct loss_argument_info *argument = loss->arguments[i];
		char values[LOSS_PHRASE_CHARS];
		describe_values(loss, i, values, sizeof values);
		printf("  --%-18s %s%s (%s)\n", argument->name, argument->help, values,
		       argument->default_json);
	}
	printf("  --%-18s what to compute, with commas between: ", "outputs");
	for (size_t i = 0; i < loss->n_outputs; i++)
		printf("%s%s", i ? ", " : "", loss->outputs[i]->name);
	printf(" (%s)\n", loss->outputs[0]->name);
	for (size_t i = 0; i < N_STYLE_ARGUMENTS; i++) {
		const struct style_info *info = &style_arguments[i];
		printf("  --%-18s %s:", info->name, info->help);
		for (const char *const *word = info->words; *word; word++)
			printf("%s %s", word > info->words ? "," : "", *word);
		printf(" (%s)\n", info->words[0]);
	}
}

static void print_help(const struct loss_info *loss)
{
	printf("usage: lossd eval FILE... [--loss NAME] [--ARGUMENT VALUE]... [--outputs A,B]\n"
	       "       lossd eval --TENSOR FILE.npy... [--loss NAME] [--ARGUMENT VALUE]...\n"
	       "       lossd eval --loss divergence BASE CANDIDATE [--ARGUMENT VALUE]...\n\n"
	       "Evaluates the tensors in FILE (- for standard input) and prints the JSON reply, a\n"
	       "line for each problem. Of several files each reply has its \"file\", and of JSON\n"
	       "lines its \"line\". Files may be compressed by gzip or zstd.\n"
	       "The exit status is 0; 1 when a problem is wrong; 2 when the command or a file "
	       "is;\n3 when a loss is above --fail-above.\n\n"
	       "  --%-18s the loss (" DEFAULT_LOSS "):",
	       "loss");
	for (size_t i = 0; loss_at(i); i++)
		printf("%s %s", i ? "," : "", loss_at(i)->name);
	printf("\n  --%-18s of the files: ", "format");
	for (size_t i = 0; i < N_FORMATS; i++)
		printf("%s%s", i ? ", " : "", formats[i].name);
	printf(" (by their\n  %-20s first bytes; jsonl and ndjson by their names too, oip only by "
	       "this)\n",
	       "");
	printf("  --%-18s that compute (the cores available)\n", "threads");
	printf("  --%-18s instruction set (the best that the machine has)\n", "isa");
	printf("  --%-18s ends with status 3 where a loss is above this number, or NaN\n",
	       "fail-above");
	printf("\nof %s, with - or _ in their names:\n", loss->name);
	if (find_pair(loss))
		print_pair(find_pair(loss));
	print_tensors(loss);
	print_arguments(loss);
}

/* ---------------------------------------------------------------- options */

static bool set_loss(struct eval_options *options, const char *value)
{
	char hint[LOSS_HINT_CHARS];
	options->loss = loss_find(value, strlen(value));
	if (!options->loss)
		loss_hint_loss(value, strlen(value), hint, sizeof hint);
	return options->loss || complain("--loss: there is no loss \"%.60s\"; %s", value, hint);
}

static bool set_format(struct eval_options *options, const char *value)
{
	options->format = eval_format_find(value, strlen(value));
	return options->format ||
	       complain("--format: there is no format \"%.60s\"; lossd eval --help lists them",
			value);
}

static bool set_threads(struct eval_options *options, const char *value)
{
	char *end;
	long threads = strtol(value, &end, 10);
	options->threads = (int)threads;
	return (*value && !*end && threads >= 1 && threads <= MOST_THREADS) ||
	       complain("--threads must be a whole number from 1 to %d, not \"%.40s\"",
			MOST_THREADS, value);
}

static bool set_isa(struct eval_options *options, const char *value)
{
	options->isa = loss_isa_find(value);
	return options->isa || complain("--isa: this build or this machine does not have "
					"\"%.40s\"",
					value);
}

static bool set_tensor(struct eval_options *options, const char *value)
{
	options->tensor = value;
	return *value || complain("--tensor must be the name of a tensor, not \"\"");
}

static bool set_fail_above(struct eval_options *options, const char *value)
{
	return bound_read(&options->bound, value) ||
	       complain("--fail-above must be a number, not \"%.40s\"", value);
}

static const struct option {
	const char *name;
	bool (*set)(struct eval_options *options, const char *value);
} table[] = {
	{"loss", set_loss}, {"format", set_format}, {"threads", set_threads},
	{"isa", set_isa},   {"tensor", set_tensor}, {"fail_above", set_fail_above},
};
#define N_OPTIONS (sizeof table / sizeof table[0])

static const struct option *find_option(const char *name, size_t n)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strlen(table[i].name) == n && memcmp(table[i].name, name, n) == 0)
			return &table[i];
	return NULL;
}

/* ---------------------------------------------------------------- arguments of the loss */

/* `name=value` after what the query string has: everything but letters and digits as escapes, but
 * the commas of a list of outputs. */
static bool add_argument(struct eval_options *options, const char *name, size_t n,
			 const char *value)
{
	struct loss_buffer *query = options->query;
	bool good = loss_buffer_append(query, "&", query->size > 0) &&
		    loss_buffer_append(query, name, n) && loss_buffer_append(query, "=", 1);
	for (; good && *value; value++) {
		char escape[4];
		snprintf(escape, sizeof escape, "%%%02x", (unsigned char)*value);
		good = *value == ',' ? loss_buffer_append(query, value, 1)
				     : loss_buffer_append(query, escape, 3);
	}
	return good || complain("there is no memory");
}

/* What evaluations of every loss take. */
static bool is_general(const char *name, size_t n)
{
	static const char outputs[] = "outputs";
	return style_find(name, n) < N_STYLE_ARGUMENTS ||
	       (n == sizeof outputs - 1 && memcmp(name, outputs, n) == 0);
}

static bool add_tensor(struct eval_options *options, size_t i, const char *path)
{
	const char *name = options->loss->tensors[i].name;
	if (options->n_paths > 0)
		return complain("there is a file, \"%.60s\", and --%s: give either files, or a "
				"NumPy array for each tensor",
				options->paths[0], name);
	for (size_t k = 0; k < options->n_tensors; k++)
		if (options->tensors[k].i == i)
			return complain("--%s is given twice; give it once", name);
	options->tensors[options->n_tensors++] = (struct eval_tensor){i, path};
	return true;
}

static bool take_argument(struct eval_options *options, const char *name, size_t n,
			  const char *value)
{
	int tensor = loss_find_tensor(options->loss, name, n);
	if (tensor >= 0)
		return add_tensor(options, (size_t)tensor, value);
	if (loss_find_argument(options->loss, name, n) >= 0 || is_general(name, n))
		return add_argument(options, name, n, value);
	static const char *const other[] = {"outputs", "loss",   "format",    "threads",
					    "isa",     "tensor", "fail_above"};
	enum { N_OTHER = sizeof other / sizeof *other };
	const char *own[N_OTHER + N_STYLE_ARGUMENTS];
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		own[i] = i < N_OTHER ? other[i] : style_arguments[i - N_OTHER].name;
	const struct loss_place place = {
		.loss = options->loss,
		.kinds = LOSS_NAME_TENSOR | LOSS_NAME_ARGUMENT,
		.to_outputs = "name it in --outputs",
		.names = own,
		.n_names = sizeof own / sizeof *own,
		.options = true,
	};
	char hint[LOSS_HINT_CHARS];
	loss_hint_name(&place, name, n, hint, sizeof hint);
	return complain("%s has no argument --%.*s; %s", options->loss->name,
			(int)(n < 60 ? n : 60), name, hint);
}

/* ---------------------------------------------------------------- the command line */

/* What one word, or two, of the command line say. */
struct word {
	const char *name; /* of an option, as below; NULL: a file */
	size_t n;
	const char *value;
	char text[64]; /* the name with _ for -; a longer one is none of an option, and is cut */
};

static void set_name(struct word *word, const char *text)
{
	size_t n = strcspn(text, "=");
	word->n = n < sizeof word->text ? n : sizeof word->text - 1;
	for (size_t i = 0; i < word->n; i++)
		word->text[i] = text[i] == '-' ? '_' : text[i];
	word->name = word->text;
}

/* Reads argv[*i] and moves after what it read; false where a value is missing. */
static bool next_word(char **argv, int *i, struct word *word)
{
	const char *text = argv[(*i)++];
	bool is_flag = strncmp(text, "--", 2) == 0 && text[2] != '\0';
	word->name = NULL;
	word->value = text;
	if (!is_flag)
		return text[0] != '-' || text[1] == '\0' ||
		       complain("\"%.40s\" is no option; options begin with --", text);
	set_name(word, text + 2);
	const char *equals = strchr(text, '=');
	word->value = equals ? equals + 1 : argv[*i];
	if (word->value == argv[*i] && word->value)
		++*i;
	return word->value || complain("%s needs a value", text);
}

static bool add_path(struct eval_options *options, const char *path)
{
	options->paths[options->n_paths++] = path;
	return true;
}

/* The loss decides what arguments there are: options first, the loss's arguments second. */
static bool read_words(struct eval_options *options, char **argv, bool arguments)
{
	struct word word;
	for (int i = 1; argv[i];) {
		if (!next_word(argv, &i, &word))
			return false;
		const struct option *option = word.name ? find_option(word.name, word.n) : NULL;
		bool good = true;
		if (!word.name)
			good = arguments || add_path(options, word.value);
		else if (option)
			good = arguments || option->set(options, word.value);
		else if (arguments)
			good = take_argument(options, word.name, word.n, word.value);
		if (!good)
			return false;
	}
	return true;
}

static bool asks_for_help(char **argv)
{
	for (int i = 1; argv[i]; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* --help last on the line may be about another loss. */
static const struct loss_info *loss_of_help(char **argv)
{
	for (int i = 1; argv[i] && argv[i + 1]; i++)
		if (strcmp(argv[i], "--loss") == 0 && loss_find(argv[i + 1], strlen(argv[i + 1])))
			return loss_find(argv[i + 1], strlen(argv[i + 1]));
	return loss_find(DEFAULT_LOSS, sizeof DEFAULT_LOSS - 1);
}

/* It is of two files. */
static bool check_tensor(const struct eval_options *options)
{
	if (!options->tensor || (options->pair && options->n_paths == 2))
		return true;
	return complain("--tensor is of two files that are compared: lossd eval --loss %s BASE "
			"CANDIDATE --tensor %.60s",
			pairs[0].loss, options->tensor);
}

enum eval_action eval_options_read(struct eval_options *options, struct loss_arena *arena, int argc,
				   char **argv)
{
	*options = (struct eval_options){
		.loss = loss_find(DEFAULT_LOSS, sizeof DEFAULT_LOSS - 1),
		.threads = (int)limits_cores(),
		.query = loss_buffer_create(arena),
		.paths = loss_arena_array(arena, const char *, (size_t)argc),
	};
	if (asks_for_help(argv)) {
		print_help(loss_of_help(argv));
		return EVAL_EXIT_0;
	}
	if (!options->query || !options->paths || !read_words(options, argv, false) ||
	    !read_words(options, argv, true))
		return EVAL_EXIT_2;
	options->pair = find_pair(options->loss);
	if (!check_tensor(options))
		return EVAL_EXIT_2;
	if (options->n_paths > 0 || options->n_tensors > 0)
		return EVAL_RUN;
	complain("which file? (lossd eval FILE, or - for standard input; --help says more)");
	return EVAL_EXIT_2;
}
