/*
 * libloss: logits and targets in, loss, gradient and relatives out. The only public header.
 *
 * The library is pure computation: no I/O, no global state, no clock. A caller
 *
 *   1. makes an arena (the memory of one request, charged against a budget),
 *   2. makes a problem for one row of the table of losses and sets its tensors, arguments and
 * outputs,
 *   3. plans it (every semantic check happens here), runs the plan's row blocks, finishes it,
 *   4. reads the result, whose tensors live in the arena, and destroys the arena.
 *
 * Threads: an arena and everything made from it belong to one thread at a time; only the budget and
 * the cancel flag of a run may be shared. A run by several threads has them from OpenMP; all but
 * the calling one keep off the processor that it was on.
 *
 * Functions without an error path say so by returning void. Errors: every function that can fail
 * returns a loss_status and fills a struct loss_error, which may be NULL. Link with OpenMP and the
 * mathematical library: cc program.c libloss.a -fopenmp -lm. What the losses mean, to the last bit,
 * is in docs/numerics.md.
 */
#ifndef LOSS_H
#define LOSS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOSS_VERSION "0.1.0"

/* Leading dimension N, the classes, and up to six more: (N, C, d1..d6). */
#define LOSS_MAX_RANK 8
#define LOSS_MAX_OUTPUTS 16
#define LOSS_MAX_WARNINGS 8

/* ---------------------------------------------------------------- status */

/*
 * Every error of the project: name, HTTP status, code on the wire, title, and a paragraph for
 * whoever looks the code up. The order is the order of precedence: where a request is wrong in
 * several ways, the first row that applies is reported.
 */
#define LOSS_STATUS_TABLE(X)                                                                       \
	X(LOSS_OK, 200, "ok", "OK", "Nothing is wrong.")                                           \
	X(LOSS_INTERNAL_ERROR, 500, "internal_error", "Internal error",                            \
	  "The server failed in a way that it should not. The request id finds the event in its "  \
	  "log.")                                                                                  \
	X(LOSS_DRAINING, 503, "draining", "The server is going away",                              \
	  "The server has been told to stop and takes no new work. Send the request to another "   \
	  "replica, or again after Retry-After.")                                                  \
	X(LOSS_OUT_OF_MEMORY, 503, "out_of_memory", "An allocation failed",                        \
	  "The machine had no memory left for this request. It was not evaluated; send it again "  \
	  "later.")                                                                                \
	X(LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, 429, "too_much_memory_in_flight",                        \
	  "Too much memory in flight",                                                             \
	  "The requests being served hold the whole memory budget (memory_budget_bytes). Send "    \
	  "the request again after Retry-After.")                                                  \
	X(LOSS_FORBIDDEN, 403, "forbidden", "Not for this host or origin",                         \
	  "The Host is not one of the setting hosts, or a page of an origin that is neither this " \
	  "server's nor one of the setting cors_origins asks for what touches this machine.")      \
	X(LOSS_UNKNOWN_PATH, 404, "unknown_path", "No such path",                                  \
	  "The path is not one of the server's. GET / lists them, GET /openapi.yaml describes "    \
	  "them.")                                                                                 \
	X(LOSS_UNKNOWN_LOSS, 404, "unknown_loss", "No such loss",                                  \
	  "The name in the path is not a loss that this server computes. GET /v1/losses lists "    \
	  "them.")                                                                                 \
	X(LOSS_METHOD_NOT_ALLOWED, 405, "method_not_allowed", "Method not allowed",                \
	  "The path exists but not for this method. The Allow header lists the methods that it "   \
	  "takes.")                                                                                \
	X(LOSS_INVALID_HEADER, 400, "invalid_header", "A header is malformed",                     \
	  "A request header is missing, doubled, or has a value outside its grammar or range. "    \
	  "The detail names the header and what it must be.")                                      \
	X(LOSS_LENGTH_REQUIRED, 411, "length_required", "A body length is required",               \
	  "The request needs a body but announces neither Content-Length nor chunked "             \
	  "Transfer-Encoding.")                                                                    \
	X(LOSS_EXPECTATION_FAILED, 417, "expectation_failed", "Unknown expectation",               \
	  "The only expectation that the server can meet is Expect: 100-continue.")                \
	X(LOSS_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", "Unsupported media type",    \
	  "The Content-Type is not one that this path reads. With curl, add "                      \
	  "-H 'Content-Type: application/json'.")                                                  \
	X(LOSS_UNSUPPORTED_ENCODING, 415, "unsupported_encoding", "Unsupported content encoding",  \
	  "The Content-Encoding is not one that this server decodes, which are gzip and deflate, " \
	  "one at a time. Or send the body as it is.")                                             \
	X(LOSS_NOT_ACCEPTABLE, 406, "not_acceptable", "Nothing acceptable to reply with",          \
	  "The Accept header excludes every media type that this path can reply with. Accept "     \
	  "application/json, or leave the header out.")                                            \
	X(LOSS_BODY_TOO_LARGE, 413, "body_too_large", "The body is too large",                     \
	  "The body is larger than max_body_bytes. Split the batch: the totals of the parts add "  \
	  "up to the whole.")                                                                      \
	X(LOSS_TOO_LARGE_FOR_SERVER, 413, "too_large_for_server",                                  \
	  "The problem can never fit this server",                                                 \
	  "The request or its reply needs more memory than the server's whole budget "             \
	  "(memory_budget_bytes). Split the batch, or ask for fewer outputs.")                     \
	X(LOSS_INVALID_ENCODING, 400, "invalid_encoding", "The content coding is corrupt",         \
	  "The body is not what its Content-Encoding says: the compressed data is corrupt, cut "   \
	  "short, or has bytes behind its end.")                                                   \
	X(LOSS_EMPTY_BODY, 400, "empty_body", "The body is empty",                                 \
	  "The request has no body, or only white space, where a problem is expected.")            \
	X(LOSS_INVALID_JSON, 400, "invalid_json", "The body is not valid JSON",                    \
	  "The body breaks the grammar of JSON (RFC 8259), is not UTF-8, or nests deeper than 32 " \
	  "levels. The detail gives the line and the column in bytes.")                            \
	X(LOSS_INVALID_SAFETENSORS, 400, "invalid_safetensors",                                    \
	  "The body is not valid safetensors",                                                     \
	  "The body breaks the format of safetensors: eight bytes of header length, a JSON "       \
	  "header, then the tensors without gaps, overlaps or bytes behind them. The detail says " \
	  "which rule is broken and where.")                                                       \
	X(LOSS_TRUNCATED_BODY, 400, "truncated_body", "The body ends too early",                   \
	  "The HTTP body is complete but the document in it is not. The detail says where it "     \
	  "ends.")                                                                                 \
	X(LOSS_INVALID_QUERY, 400, "invalid_query", "The query string is malformed",               \
	  "The query string has bad percent-encoding or a part without a name.")                   \
	X(LOSS_UNKNOWN_FIELD, 422, "unknown_field", "Unknown field",                               \
	  "The loss has no tensor or argument of that name. The detail names the nearest one.")    \
	X(LOSS_DUPLICATE_FIELD, 422, "duplicate_field", "Field given twice",                       \
	  "A field stands twice in the body, or both in the body and in the query string.")        \
	X(LOSS_WRONG_TYPE, 422, "wrong_type", "Value of the wrong type",                           \
	  "The value is valid JSON but not of the type that the field takes.")                     \
	X(LOSS_DTYPE_MISMATCH, 422, "dtype_mismatch", "Tensor of the wrong dtype",                 \
	  "The tensor's element type is not one that it may have here, or a value does not fit "   \
	  "it.")                                                                                   \
	X(LOSS_MISSING_FIELD, 422, "missing_field", "A required field is missing",                 \
	  "A tensor that the loss needs is absent or null.")                                       \
	X(LOSS_RAGGED_ARRAY, 422, "ragged_array", "Nested arrays of unequal length",               \
	  "The nested arrays of a tensor must be rectangular. The pointer is the first place "     \
	  "that is not.")                                                                          \
	X(LOSS_TOO_MANY_ELEMENTS, 422, "too_many_elements", "Too many elements",                   \
	  "A tensor has more elements than max_elements, or a rank over max_rank.")                \
	X(LOSS_SHAPE_MISMATCH, 422, "shape_mismatch", "Shapes do not fit together",                \
	  "The shapes of the tensors contradict each other or the loss.")                          \
	X(LOSS_ARGUMENT_OUT_OF_RANGE, 422, "argument_out_of_range", "Argument out of range",       \
	  "The argument, or the element of a tensor, has the right type but a value outside its "  \
	  "range.")                                                                                \
	X(LOSS_TARGET_OUT_OF_BOUNDS, 422, "target_out_of_bounds", "Target out of bounds",          \
	  "A target is neither a class index in [0, C) nor ignore_index. The pointer is the "      \
	  "first one.")                                                                            \
	X(LOSS_DEADLINE_EXCEEDED, 504, "deadline_exceeded", "Deadline exceeded",                   \
	  "X-Request-Timeout-Ms passed before the evaluation was complete. The work was stopped.")

typedef enum loss_status {
#define LOSS_STATUS_ENUM(name, http, code, title, help) name,
	LOSS_STATUS_TABLE(LOSS_STATUS_ENUM)
#undef LOSS_STATUS_ENUM
		LOSS_N_STATUS
} loss_status;

struct loss_status_info {
	int http;          /* the HTTP status that carries it */
	const char *code;  /* the code on the wire, a slug */
	const char *title; /* a few words */
	const char *help;  /* a paragraph */
};

/* The row of a status; status must be below LOSS_N_STATUS. */
const struct loss_status_info *loss_status_info(loss_status status);

/*
 * What went wrong and where. `field` is the tensor's or argument's name, or "" where there is no
 * place. A place inside a tensor (or inside the list of outputs) is given both as a multi-index and
 * as a flat, row-major index, so that each wire format can point at it in its own way.
 */
struct loss_error {
	loss_status status;
	char field[64];
	bool has_index;
	int index_rank; /* entries of index in use; 0 for a scalar tensor */
	size_t index[LOSS_MAX_RANK];
	size_t flat_index;
	char detail[512];
};

/* Fills err (which may be NULL) without an index and returns status. `field` may be NULL or "". */
__attribute__((format(printf, 4, 5))) loss_status
loss_fail(struct loss_error *err, loss_status status, const char *field, const char *format, ...);

/*
 * Of several errors the one whose status comes first is kept, of equal ones the first. kept->status
 * is LOSS_OK while there is none. Returns `kept`, for loss_fail to fill, where an error of this
 * status is to be kept; else NULL. Ask before making the sentence: then there is at most one for
 * each status, however many errors a text has.
 */
struct loss_error *loss_claim_error(struct loss_error *kept, loss_status status);

/* ---------------------------------------------------------------- memory */

/* Shared by all arenas of a process. `held` counts bytes; only loss_budget_take
 * and loss_budget_give write it. */
#define LOSS_KEPT_MAPPINGS 8
struct loss_budget {
	atomic_size_t held;
	size_t limit;
	/* Large mappings that were given back and wait for the next taker: at most a quarter of
	 * limit, and beside `held`. */
	atomic_size_t kept_bytes;
	_Atomic(void *) kept[LOSS_KEPT_MAPPINGS];
};

/* Returns what is kept to the system: before a budget ends, or when memory is short. */
void loss_budget_trim(struct loss_budget *budget);
/* Charges n bytes for memory that no arena has; false, and nothing is charged, when they are not
 * left. loss_budget_give ends it. */
bool loss_budget_take(struct loss_budget *budget, size_t n);
void loss_budget_give(struct loss_budget *budget, size_t n);

/* Memory of one request: everything taken from it is freed at once by its end. Opaque. */
struct loss_arena;

/* NULL when the first block can not be had. The budget must outlive the arena; NULL means no limit.
 */
struct loss_arena *loss_arena_create(struct loss_budget *budget);
void loss_arena_destroy(struct loss_arena *arena); /* NULL is fine */

/*
 * n * size bytes aligned to 64, not zeroed, never NULL for n * size == 0; NULL when the product
 * overflows, the budget is used up, or the system has no memory: then loss_arena_failure tells
 * which.
 */
void *loss_arena_alloc(struct loss_arena *arena, size_t n, size_t size);
#define loss_arena_array(arena, type, n) ((type *)loss_arena_alloc((arena), (n), sizeof(type)))

/* Formats into the arena; NULL on failure. */
__attribute__((format(printf, 2, 3))) char *loss_arena_printf(struct loss_arena *arena,
							      const char *format, ...);

/* Turns the last failed allocation into an error: LOSS_TOO_LARGE_FOR_SERVER,
 * LOSS_TOO_MUCH_MEMORY_IN_FLIGHT or LOSS_OUT_OF_MEMORY. */
loss_status loss_arena_failure(const struct loss_arena *arena, struct loss_error *err);

/* Bytes that this arena holds of its budget. */
size_t loss_arena_held(const struct loss_arena *arena);

/*
 * A growable array of bytes for data whose length is not known before it has arrived. Large buffers
 * grow by remapping pages, without a copy and by an eighth at a time, so that a buffer never costs
 * much more than what is in it. `data` moves when it grows. Freed with its arena, or earlier by
 * loss_buffer_release.
 */
struct loss_buffer {
	unsigned char *data;
	size_t size;     /* bytes in use */
	size_t capacity; /* bytes that fit */
	struct loss_arena *arena;
	struct loss_buffer *next; /* the arena's list */
	bool mapped;
};

struct loss_buffer *loss_buffer_create(struct loss_arena *arena); /* NULL on failure */
/* Makes room for `more` bytes behind size; false on failure (see loss_arena_failure). */
bool loss_buffer_reserve(struct loss_buffer *buffer, size_t more);
bool loss_buffer_append(struct loss_buffer *buffer, const void *bytes, size_t n);
/* Releases every buffer of the arena: what a request that has failed gives back before it is
 * answered. */
void loss_arena_release_buffers(struct loss_arena *arena);
void loss_buffer_release(struct loss_buffer *buffer); /* gives its memory back, size becomes 0 */

/* ---------------------------------------------------------------- tensors */

/* Named as safetensors names them. The numbers are not part of any wire format. */
typedef enum loss_dtype {
	LOSS_F64,
	LOSS_F32,
	LOSS_F16,
	LOSS_BF16,
	LOSS_F8_E4M3, /* the FN variant: no infinity, the largest number is 448 */
	LOSS_F8_E5M2,
	LOSS_I64,
	LOSS_I32,
	LOSS_I16,
	LOSS_I8,
	LOSS_U64,
	LOSS_U32,
	LOSS_U16,
	LOSS_U8,
	LOSS_BOOL,
	LOSS_N_DTYPES
} loss_dtype;

#define LOSS_DTYPE_BIT(dtype) (1u << (unsigned)(dtype))
#define LOSS_FLOAT_DTYPES                                                                          \
	(LOSS_DTYPE_BIT(LOSS_F64) | LOSS_DTYPE_BIT(LOSS_F32) | LOSS_DTYPE_BIT(LOSS_F16) |          \
	 LOSS_DTYPE_BIT(LOSS_BF16) | LOSS_DTYPE_BIT(LOSS_F8_E4M3) | LOSS_DTYPE_BIT(LOSS_F8_E5M2))
#define LOSS_INTEGER_DTYPES                                                                        \
	(LOSS_DTYPE_BIT(LOSS_I64) | LOSS_DTYPE_BIT(LOSS_I32) | LOSS_DTYPE_BIT(LOSS_I16) |          \
	 LOSS_DTYPE_BIT(LOSS_I8) | LOSS_DTYPE_BIT(LOSS_U64) | LOSS_DTYPE_BIT(LOSS_U32) |           \
	 LOSS_DTYPE_BIT(LOSS_U16) | LOSS_DTYPE_BIT(LOSS_U8))

typedef enum loss_dtype_class {
	LOSS_CLASS_FLOAT,
	LOSS_CLASS_SIGNED,
	LOSS_CLASS_UNSIGNED,
	LOSS_CLASS_BOOL,
} loss_dtype_class;

struct loss_dtype_info {
	const char *name; /* "F32" */
	size_t size;      /* bytes of an element */
	loss_dtype_class class;
};

const struct loss_dtype_info *loss_dtype_info(loss_dtype dtype);
/* LOSS_N_DTYPES when there is none of that name (n bytes, not terminated). */
loss_dtype loss_dtype_find(const char *name, size_t n);

/* Element i of an array of a float dtype, exactly. */
double loss_float_get(loss_dtype dtype, const void *data, size_t i);
/* value into element i, rounded once, to nearest even; one too large for the dtype becomes
 * infinity, or NaN in F8_E4M3. */
void loss_float_put(loss_dtype dtype, void *data, size_t i, double value);

/*
 * A row-major, contiguous view. It owns nothing. `data` need not be aligned beyond the element's
 * own alignment, and may be NULL when count is 0. BOOL elements are bytes 0 or 1.
 */
struct loss_tensor {
	loss_dtype dtype;
	int rank; /* 0 is a scalar: one element */
	size_t shape[LOSS_MAX_RANK];
	size_t count; /* product of shape */
	void *data;
};

/* Sets count from rank and shape; false when the product of the dimensions (times 8 bytes)
 * overflows. */
bool loss_tensor_set_count(struct loss_tensor *tensor);
/* Writes "(2, 3)" or "()". */
void loss_tensor_format_shape(const struct loss_tensor *tensor, char *out, size_t size);

/* ---------------------------------------------------------------- the table of losses */

/* The tensors a loss may take; each has one name per loss ("logits", or "log_probs" for nll_loss).
 */
typedef enum loss_role {
	LOSS_ROLE_INPUT,
	LOSS_ROLE_TARGETS,
	LOSS_ROLE_WEIGHT,
	LOSS_ROLE_POS_WEIGHT,
	LOSS_ROLE_GRAD_OUTPUT,
	LOSS_N_ROLES
} loss_role;

struct loss_tensor_info {
	const char *name;
	loss_role role;
	bool required;
	unsigned dtypes;   /* LOSS_DTYPE_BITs of what it may be */
	const char *shape; /* for people: "(N, C, d1..dK) or (C)" */
	const char *help;
};

typedef enum loss_argument_type {
	LOSS_ARGUMENT_BOOLEAN,
	LOSS_ARGUMENT_INTEGER,
	LOSS_ARGUMENT_NUMBER,
	LOSS_ARGUMENT_CHOICE, /* a string of a list */
} loss_argument_type;

struct loss_argument_info {
	const char *name;
	loss_argument_type type;
	const char *const *choices; /* NULL-terminated; of LOSS_ARGUMENT_CHOICE only */
	const char *default_json;   /* as JSON text: "null", "-100", "\"mean\"" */
	const char *range;          /* for people: "0 to 1"; NULL where the type says it all */
	const char *help;
	size_t offset; /* of its field in struct loss_args (src/problem.h) */
	double min, max;
	bool min_excluded;
};

struct loss_output_info {
	const char *name;
	const char *dtype; /* for people: "the logits' dtype" */
	const char *shape;
	const char *help;
};

/* One row of the table of losses, as far as callers may see it. */
struct loss_info {
	const char *name;
	const char *summary;
	size_t n_tensors;
	const struct loss_tensor_info *tensors;
	size_t n_arguments;
	const struct loss_argument_info *const *arguments;
	size_t n_outputs;
	const struct loss_output_info *const *outputs; /* outputs[0] is the default */
};

/* The i-th loss; NULL past the last one. */
const struct loss_info *loss_at(size_t i);
/* NULL when there is none of that name (n bytes, not terminated, matched with case). */
const struct loss_info *loss_find(const char *name, size_t n);
/* The name nearest to a mistyped one, never NULL: among losses, or among the tensors, arguments and
 * "outputs" of one loss. */
const char *loss_nearest(const char *name, size_t n);
const char *loss_nearest_field(const struct loss_info *loss, const char *name, size_t n);
/* Likewise among n_names (at least one) names of the caller's own. */
const char *loss_nearest_of(const char *const *names, size_t n_names, const char *name, size_t n);
/* Indices into tensors / arguments, or -1. */
int loss_find_tensor(const struct loss_info *loss, const char *name, size_t n);
int loss_find_argument(const struct loss_info *loss, const char *name, size_t n);

/* ---------------------------------------------------------------- problems */

/* A scalar argument as the caller wrote it. `text` is what error messages show (the token itself).
 */
typedef enum loss_value_type {
	LOSS_VALUE_NULL,
	LOSS_VALUE_BOOLEAN,
	LOSS_VALUE_INTEGER, /* integer syntax; also fills number; integer_overflow when it is not an
			       int64 */
	LOSS_VALUE_NUMBER,  /* has a fraction or an exponent */
	LOSS_VALUE_STRING,  /* text is the string itself */
	LOSS_VALUE_OTHER,   /* an array or an object: always of the wrong type */
} loss_value_type;

struct loss_value {
	loss_value_type type;
	bool boolean;
	bool integer_overflow;
	int64_t integer;
	double number;
	const char *text; /* terminated; copied where it is kept */
};

/* A loss with its tensors, arguments and outputs, not yet checked against each other. Opaque. */
struct loss_problem;

struct loss_problem *loss_problem_create(const struct loss_info *loss, struct loss_arena *arena);
const struct loss_info *loss_problem_info(const struct loss_problem *problem);

/*
 * Each may be called once a field: LOSS_DUPLICATE_FIELD the second time (a null value counts as
 * given). `i` is an index into the loss's tensors or arguments. Types are checked here
 * (LOSS_WRONG_TYPE), ranges by loss_plan_create. Tensor data is borrowed until the plan is
 * finished. A tensor of NULL means "null": absent.
 */
loss_status loss_problem_set_tensor(struct loss_problem *problem, size_t i,
				    const struct loss_tensor *tensor, struct loss_error *err);
loss_status loss_problem_set_argument(struct loss_problem *problem, size_t i,
				      const struct loss_value *value, struct loss_error *err);
/* names: n terminated strings, copied; n == 0 asks for nothing. Names are judged by
 * loss_plan_create. */
loss_status loss_problem_set_outputs(struct loss_problem *problem, const char *const *names,
				     size_t n, struct loss_error *err);

/* Gives tensor i, which was set without its data, the data. */
void loss_problem_set_data(struct loss_problem *problem, size_t i, void *data);

/* Makes the problem use kernels of a lower instruction set, as loss_isa_find gave it; the results
 * are the same bits. */
void loss_problem_set_isa(struct loss_problem *problem, const char *isa);

/* Makes a tensor of shape (1) stand for a scalar wherever the loss needs one, for formats whose
 * writers have no shape (). */
void loss_problem_set_ones_are_scalars(struct loss_problem *problem);

/* ---------------------------------------------------------------- evaluation */

struct loss_output {
	const char *name;
	struct loss_tensor tensor; /* in the plan's arena */
};

/* What lets batches add up: sum of loss_sum over sum of denominator is the mean of the whole. */
struct loss_totals {
	double loss_sum;
	double denominator; /* the natural one, never the argument */
	size_t rows;        /* rows, or elements for element-wise losses */
	size_t counted;
	size_t ignored;
};

struct loss_result {
	size_t n_outputs;
	struct loss_output outputs[LOSS_MAX_OUTPUTS]; /* in the order asked for */
	bool has_totals;                              /* every loss but softmax and log_softmax */
	struct loss_totals totals;
	size_t n_warnings;
	const char *warnings[LOSS_MAX_WARNINGS];
};

/* A checked problem with room for its results. Opaque. */
struct loss_plan;

/*
 * Every semantic check: types, required tensors, shapes, arguments, target range, in this order.
 *
 * An input (the first tensor) that has elements but no data is still to come. Where each row can be
 * evaluated by itself as it arrives (class indices, contiguous classes, no output of the input's
 * shape), the plan is one for loss_plan_run_rows; else *made is NULL: set the data and plan again.
 */
loss_status loss_plan_create(struct loss_problem *problem, struct loss_arena *arena,
			     struct loss_plan **made, struct loss_error *err);
/* The i-th output that it will have, in the order asked for, not computed yet; false past the last.
 */
bool loss_plan_output(const struct loss_plan *plan, size_t i, struct loss_output *output);
/* Elements of the first tensor: what a scheduler weighs. */
size_t loss_plan_elements(const struct loss_plan *plan);
loss_dtype loss_plan_dtype(const struct loss_plan *plan);
/* The instruction set of the kernels that it runs. */
const char *loss_plan_isa(const struct loss_plan *plan);
size_t loss_plan_rows(const struct loss_plan *plan);
/* Row blocks: their number depends on the shape alone. */
size_t loss_plan_blocks(const struct loss_plan *plan);

/* Evaluates blocks [first, first + n) on the calling thread. Each block once, in any order, from
 * any thread. */
void loss_plan_run_blocks(struct loss_plan *plan, size_t first, size_t n);

/*
 * Evaluates all blocks with a team of up to `threads` (1 opens no parallel region), stopping at the
 * next block once *cancel (may be NULL) is true: LOSS_DEADLINE_EXCEEDED.
 */
loss_status loss_plan_run(struct loss_plan *plan, int threads, const atomic_bool *cancel,
			  struct loss_error *err);
/* Rows of a block; the last one may have fewer. */
size_t loss_plan_block_rows(const struct loss_plan *plan);
/*
 * Evaluates rows [first, first + n) of a plan whose input is still to come: `rows` is where the
 * first of them begins. From the first row to the last, each once, in whole blocks, on one thread
 * at a time; the results are the bits that all blocks at once give.
 */
void loss_plan_run_rows(struct loss_plan *plan, size_t first, size_t n, const void *rows);

/* Reduces, in row order, and fills result. All blocks must have run. */
void loss_plan_finish(struct loss_plan *plan, struct loss_result *result);

/* Plan, run, finish in one call. */
loss_status loss_evaluate(struct loss_problem *problem, struct loss_arena *arena, int threads,
			  const atomic_bool *cancel, struct loss_result *result,
			  struct loss_error *err);

/* ---------------------------------------------------------------- the machine */

/* The name of the best instruction set that kernels exist for and this machine has: "avx512",
 * "avx2", "neon", "base". */
const char *loss_isa(void);
/* The i-th instruction set that this build has kernels for, best first, whether the machine has it
 * or not; NULL past the last. */
const char *loss_isa_at(size_t i);
/* The name itself, static, if this build and this machine have that instruction set, else NULL. */
const char *loss_isa_find(const char *name);

#endif
