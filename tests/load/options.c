#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const format_names[N_FORMATS] = {"json", "safetensors", "jsonl"};
const char *const format_types[N_FORMATS] = {"application/json", "application/x-safetensors",
					     "application/jsonl"};

static const char help[] =
	"usage: lossd-load [OPTION]... [FILE]...\n"
	"\n"
	"Sends evaluations to a lossd server, checks the losses that come back, and tells how "
	"long\n"
	"they took: to the client, and in the server's phases. Files (.json, .jsonl, "
	".safetensors)\n"
	"are sent in turn; without any, bodies are made.\n"
	"\n"
	"Where to\n"
	"  --url URL            http://127.0.0.1:8080\n"
	"  --unix PATH          by this socket instead of TCP\n"
	"  --key KEY            a bearer key\n"
	"  --ca FILE            of a server's certificate; --insecure: whatever it is\n"
	"\n"
	"What\n"
	"  --loss NAME          cross_entropy\n"
	"  --shape NxC          of the first tensor: 8x10\n"
	"  --dtype TYPE         of tensors of floats: F32; others than that in safetensors only\n"
	"  --format FORMAT      json, safetensors or jsonl: json\n"
	"  --lines N            problems of a body of jsonl: 1000\n"
	"  --bodies N           different ones, in turn: 16, or fewer where these take over 256 "
	"MB\n"
	"  --query QUERY        further arguments: 'reduction=sum'\n"
	"  --with TENSOR        an optional tensor of the loss that is sent too; up to 8 of them\n"
	"  --seed N             of what the tensors hold: 1\n"
	"  --no-check           does not look at the losses that come back\n"
	"  --write FOLDER       writes the bodies there instead of sending them\n"
	"\n"
	"How\n"
	"  --connections N      1 to 10000: 16\n"
	"  --threads N          1 to 64: 1\n"
	"  --rate R             open model: R requests a second, whether others are answered or "
	"not,\n"
	"                       each timed from when it was due. Without it: closed model, in "
	"which\n"
	"                       each connection asks again once it is answered\n"
	"  --poisson            times between requests are random, R a second on average\n"
	"  --duration TIME      10s; also 500ms, 2m\n"
	"  --warmup TIME        before it, not counted: 1s\n"
	"  --timeout TIME       of a request: 30s\n"
	"  --find-max --p99 T   the largest rate at which 99 % are answered within T, and all\n"
	"  --json               the report as JSON\n"
	"\n"
	"Exit status: 0; 1 where a request was not answered 200, or a loss was wrong; 2 for a "
	"wrong\n"
	"command line.\n";

/* An option, and how its text is read into the field at `offset`. */
struct row {
	const char *name;
	bool (*read)(const struct row *row, const char *text, struct options *options);
	size_t offset;
	size_t most; /* of integers; of times 0: there may be none */
};
#define FIELD(type, row, options) ((type *)(void *)((char *)(options) + (row)->offset))

static const struct options usual = {
	.url = "http://127.0.0.1:8080",
	.shape = {8, 10},
	.rank = 2,
	.dtype = LOSS_F32,
	.lines = 1000,
	.bodies = 16,
	.seed = 1,
	.check = true,
	.connections = 16,
	.threads = 1,
	.duration_ns = 10000000000,
	.warmup_ns = 1000000000,
	.timeout_ns = 30000000000,
};

static bool wrong(const char *option, const char *value, const char *must)
{
	fprintf(stderr, "lossd-load: --%s is \"%s\", but must be %s\n", option, value, must);
	return false;
}

static bool read_size(const struct row *row, const char *text, struct options *options)
{
	char *end, must[64];
	unsigned long long value = strtoull(text, &end, 10);
	snprintf(must, sizeof must, "an integer, 1 to %zu", row->most);
	if (*text < '0' || *text > '9' || *end != '\0' || value < 1 || value > row->most)
		return wrong(row->name, text, must);
	*FIELD(size_t, row, options) = (size_t)value;
	return true;
}

/* At most a day. */
static bool read_time(const struct row *row, const char *text, struct options *options)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}};
	char *end;
	double value = strtod(text, &end);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		double ns = value * units[i].ns;
		if (end == text || strcmp(end, units[i].unit) != 0)
			continue;
		if (!(ns >= (row->most ? 1e3 : 0.0) && ns <= 86400e9))
			break;
		*FIELD(uint64_t, row, options) = (uint64_t)ns;
		return true;
	}
	return wrong(row->name, text,
		     row->most ? "a time above 0 and of at most a day, such as 500ms, 10s or 2m"
			       : "a time of at most a day, such as 0s, 500ms, 10s or 2m");
}

static bool read_rate(const struct row *row, const char *text, struct options *options)
{
	char *end;
	options->rate = strtod(text, &end);
	return (end != text && *end == '\0' && options->rate > 0.0 && options->rate <= 1e7) ||
	       wrong(row->name, text, "a number above 0, at most 10000000");
}

static bool read_shape(const struct row *row, const char *text, struct options *options)
{
	char *end;
	options->rank = 0;
	for (const char *at = text;; at = end + 1) {
		unsigned long long n = strtoull(at, &end, 10);
		if (*at < '0' || *at > '9' || n == 0 || n > UINT32_MAX ||
		    options->rank == LOSS_MAX_RANK || (*end != 'x' && *end != '\0'))
			return wrong(row->name, text, "axes of 1 or more, such as 8x10");
		options->shape[options->rank++] = (size_t)n;
		if (*end == '\0')
			return true;
	}
}

static bool read_dtype(const struct row *row, const char *text, struct options *options)
{
	options->dtype = loss_dtype_find(text, strlen(text));
	return (options->dtype != LOSS_N_DTYPES &&
		(LOSS_FLOAT_DTYPES & LOSS_DTYPE_BIT(options->dtype))) ||
	       wrong(row->name, text, "F64, F32, F16, BF16, F8_E4M3 or F8_E5M2");
}

static bool read_format(const struct row *row, const char *text, struct options *options)
{
	for (int i = 0; i < N_FORMATS; i++)
		if (strcmp(text, format_names[i]) == 0) {
			options->format = (enum format)i;
			return true;
		}
	return wrong(row->name, text, "json, safetensors or jsonl");
}

static bool read_loss(const struct row *row, const char *text, struct options *options)
{
	char hint[1024];
	options->loss = loss_find(text, strlen(text));
	if (options->loss)
		return options->loss->has_totals ||
		       wrong(row->name, text, "one that has a loss; this has none to check");
	loss_hint_loss(text, strlen(text), hint, sizeof hint);
	fprintf(stderr, "lossd-load: --%s: there is no loss \"%s\"; %s\n", row->name, text, hint);
	return false;
}

static bool read_with(const struct row *row, const char *text, struct options *options)
{
	if (options->n_with == MAX_WITH)
		return wrong(row->name, text, "one of at most 8");
	options->with[options->n_with++] = text;
	return true;
}

static bool read_text(const struct row *row, const char *text, struct options *options)
{
	*FIELD(const char *, row, options) = text;
	return true;
}

/* Without an argument, all of these. */
static bool read_yes(const struct row *row, const char *text, struct options *options)
{
	(void)text;
	*FIELD(bool, row, options) = true;
	return true;
}

static bool read_no(const struct row *row, const char *text, struct options *options)
{
	(void)text;
	*FIELD(bool, row, options) = false;
	return true;
}

static bool read_help(const struct row *row, const char *text, struct options *options)
{
	(void)row;
	(void)text;
	(void)options;
	fputs(help, stdout);
	return false;
}

#define ROW(name, read, field, ...)                                                                \
	{                                                                                          \
		name, read, offsetof(struct options, field), __VA_ARGS__                           \
	}
static const struct row rows[] = {
	ROW("url", read_text, url, 0),
	ROW("unix", read_text, unix_path, 0),
	ROW("key", read_text, key, 0),
	ROW("ca", read_text, ca, 0),
	ROW("insecure", read_yes, insecure, 0),
	ROW("loss", read_loss, loss, 0),
	ROW("shape", read_shape, shape, 0),
	ROW("dtype", read_dtype, dtype, 0),
	ROW("format", read_format, format, 0),
	ROW("lines", read_size, lines, 1000000),
	ROW("bodies", read_size, bodies, 100000),
	ROW("query", read_text, query, 0),
	ROW("with", read_with, with, 0),
	ROW("seed", read_size, seed, SIZE_MAX),
	ROW("no-check", read_no, check, 0),
	ROW("write", read_text, write_to, 0),
	ROW("connections", read_size, connections, MAX_CONNECTIONS),
	ROW("threads", read_size, threads, MAX_THREADS),
	ROW("rate", read_rate, rate, 0),
	ROW("poisson", read_yes, poisson, 0),
	ROW("duration", read_time, duration_ns, 1),
	ROW("warmup", read_time, warmup_ns, 0),
	ROW("timeout", read_time, timeout_ns, 1),
	ROW("find-max", read_yes, find_max, 0),
	ROW("p99", read_time, p99_ns, 1),
	ROW("json", read_yes, json, 0),
	ROW("help", read_help, json, 0),
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static bool has_argument(const struct row *row)
{
	return row->read != read_yes && row->read != read_no && row->read != read_help;
}

/* Tensors that the loss does not have; the loss may stand after them. */
static bool has_tensors(const struct options *options)
{
	for (size_t i = 0; i < options->n_with; i++)
		if (loss_find_tensor(options->loss, options->with[i], strlen(options->with[i])) < 0)
			return wrong("with", options->with[i], "a tensor of the loss");
	return true;
}

/* A reply whose first output is another says nothing that could be checked. */
static bool has_loss_first(const struct options *options)
{
	const char *outputs = options->query ? strstr(options->query, "outputs=") : NULL;
	return !options->check || !outputs || strncmp(outputs, "outputs=loss", 12) == 0 ||
	       wrong("query", options->query, "one with outputs=loss first, or --no-check given");
}

/* What does not go together. */
static bool agree(const struct options *options)
{
	if (options->find_max != (options->p99_ns > 0)) {
		fputs("lossd-load: --find-max and --p99 need each other\n", stderr);
		return false;
	}
	if (options->find_max && options->rate > 0.0) {
		fputs("lossd-load: --find-max looks for the rate: leave --rate out\n", stderr);
		return false;
	}
	if (options->poisson && options->rate <= 0.0 && !options->find_max) {
		fputs("lossd-load: --poisson is of the open model: give --rate\n", stderr);
		return false;
	}
	if (options->dtype != LOSS_F32 && options->format != FORMAT_SAFETENSORS) {
		fputs("lossd-load: --dtype is for --format safetensors\n", stderr);
		return false;
	}
	return true;
}

static bool take_files(struct options *options, char **files, int n)
{
	if (n > MAX_REPLAYED) {
		fprintf(stderr, "lossd-load: %d files, but at most %d are sent in turn\n", n,
			MAX_REPLAYED);
		return false;
	}
	for (int i = 0; i < n; i++)
		options->files[i] = files[i];
	options->n_files = (size_t)n;
	return true;
}

/* As getopt_long wants them; val is 1 more than the row. */
static void list_options(struct option *known)
{
	for (size_t i = 0; i < N_ROWS; i++)
		known[i] = (struct option){.name = rows[i].name,
					   .has_arg = has_argument(&rows[i]) ? required_argument
									     : no_argument,
					   .val = (int)i + 1};
}

bool options_read(struct options *options, int argc, char **argv, int *status)
{
	struct option known[N_ROWS + 1] = {0};
	int which;
	list_options(known);
	*options = usual;
	options->loss = loss_find("cross_entropy", 13);
	*status = 2;
	while ((which = getopt_long(argc, argv, "", known, NULL)) != -1) {
		const struct row *row = which == '?' ? NULL : &rows[which - 1];
		if (row && row->read == read_help)
			*status = 0;
		if (!row || !row->read(row, optarg, options))
			return false;
	}
	if (options->threads > options->connections)
		options->threads = options->connections;
	return take_files(options, argv + optind, argc - optind) && has_tensors(options) &&
	       has_loss_first(options) && agree(options);
}
