/*
 * What the fuzz targets share. A target takes any bytes, feeds them to the code that it is of,
 * whole and in pieces, and aborts where something is wrong: a crash, a finding of a sanitizer, a
 * result that depends on the pieces, an error without a sentence, a reply that is not valid.
 *
 * Most inputs begin with a line of words that say how the rest is to be read, so that one corpus
 * reaches all losses and a person can read and write it: "nll_loss?reduction=sum\n{...}".
 */
#ifndef TESTS_FUZZ_TARGETS_DRIVER_H
#define TESTS_FUZZ_TARGETS_DRIVER_H

#include "../../../server/codec/content_coding.h"
#include "../../../server/eval/protocols.h"
#include "../../../server/http/guard.h"

typedef void fuzz_run(const unsigned char *bytes, size_t n);

struct fuzz_target {
	const char *name; /* of its corpus, too */
	fuzz_run *run;
};
extern const struct fuzz_target fuzz_targets[]; /* ends with a NULL name */
/* NULL when there is none of that name. */
const struct fuzz_target *fuzz_find(const char *name);

fuzz_run fuzz_json, fuzz_lines, fuzz_safetensors, fuzz_oip_json, fuzz_oip_binary, fuzz_numpy,
	fuzz_base64, fuzz_coding, fuzz_head, fuzz_control, fuzz_request, fuzz_connection,
	fuzz_totals;

/* What messages of failed checks begin with; kept. NULL: nothing. */
void fuzz_name_input(const char *name);
/* Aborts, with the message, unless it holds. */
#define fuzz_check(holds, ...) ((holds) ? (void)0 : fuzz_fail(__VA_ARGS__))
__attribute__((format(printf, 1, 2))) _Noreturn void fuzz_fail(const char *format, ...);

/* ---------------------------------------------------------------- inputs */

/* The bytes that are left of an input. */
struct fuzz_input {
	const unsigned char *bytes;
	size_t n;
};

#define FUZZ_LINE_SIZE 256
/* Takes the first line, without its end, as a terminated string: at most FUZZ_LINE_SIZE - 1 bytes,
 * up to a NUL; `\r` before its end is left out where `strip` asks for that. False: nothing is left.
 */
bool fuzz_line(struct fuzz_input *input, char line[FUZZ_LINE_SIZE], bool strip);
/* Cuts off the next word of a line. "" where there is none. */
char *fuzz_word(char **line);

/* How a body is fed. */
enum fuzz_cut { FUZZ_WHOLE, FUZZ_BYTES, FUZZ_PIECES, FUZZ_N_CUTS };
/* Not fed: fuzz_evaluation.set. */
#define FUZZ_LIES FUZZ_N_CUTS

/* Feeds copies, from any address, with nothing behind them that may be read. */
void fuzz_feed(const struct fuzz_input *input, enum fuzz_cut cut, inflate_sink *sink,
	       void *context);

/* ---------------------------------------------------------------- outcomes */

/* What has to be the same however a body was cut. */
struct fuzz_outcome {
	struct loss_error err; /* status LOSS_OK: nothing is wrong */
	char pointer[256];
	uint64_t hash; /* of everything that came out */
};

void fuzz_outcome_start(struct fuzz_outcome *outcome);
void fuzz_hash(struct fuzz_outcome *outcome, const void *bytes, size_t n);
/* `how` is for the message. */
void fuzz_same(const struct fuzz_outcome *one, const struct fuzz_outcome *other, const char *how);

/* An error has a sentence, a code for clients to read, and makes a valid problem document. */
void fuzz_check_error(const struct loss_error *err, const char *pointer);
/* The text is JSON, by the strict scanner. */
void fuzz_check_json(const void *text, size_t n);

/* One evaluation, as a request has it. */
struct fuzz_evaluation {
	const struct protocol *protocol;
	size_t media;              /* index of the body's format among the protocol's */
	char *loss_and_query;      /* "nll_loss?reduction=sum"; cross_entropy where it is none */
	const char *header_length; /* of Inference-Header-Content-Length; NULL: none */
	enum content_coding coding;
	struct fuzz_input body;
	/* In place of feeding, where a decoder takes what lies in memory; NULL: it does not. */
	void (*set)(struct decoder *decoder, const unsigned char *bytes, size_t n);
};
/* Evaluates the body cut in that way, and writes the reply in all formats. */
void fuzz_evaluate(const struct fuzz_evaluation *evaluation, enum fuzz_cut cut,
		   struct fuzz_outcome *outcome);
/* In all ways, which must give the same. */
void fuzz_evaluate_all(const struct fuzz_evaluation *evaluation);

/* ---------------------------------------------------------------- heads */

#define FUZZ_MAX_HEADERS 64

/* A request's head out of its text: lines up to an empty one. */
struct fuzz_head {
	char lines[FUZZ_MAX_HEADERS + 1][FUZZ_LINE_SIZE];
	struct header headers[FUZZ_MAX_HEADERS];
	struct raw_head raw;
};
void fuzz_read_head(struct fuzz_input *input, struct fuzz_head *head);

/* The settings of a server that is started without any, and metrics started. */
struct config;
void fuzz_settings(struct config *config);

#endif
