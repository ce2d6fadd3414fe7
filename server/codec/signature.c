#include "signature.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void beginning_feed(struct beginning *beginning, const unsigned char *bytes, size_t n)
{
	size_t room = SIGNATURE_BYTES - beginning->n, part = n < room ? n : room;
	if (part == 0)
		return; /* bytes may be NULL */
	memcpy(beginning->bytes + beginning->n, bytes, part);
	beginning->n += part;
}

/* ---------------------------------------------------------------- what no fixed bytes tell */

/* The header's length, which is far below 2^40, and the header. */
static bool is_safetensors(const struct beginning *beginning)
{
	return beginning->n > 8 && beginning->bytes[8] == '{' &&
	       memcmp(beginning->bytes + 5, "\0\0\0", 3) == 0;
}

/* The name of a zip archive's first member. */
static bool has_member(const struct beginning *beginning, const char *part)
{
	static const size_t name_at = 30;
	const unsigned char *bytes = beginning->bytes;
	if (beginning->n <= name_at || memcmp(bytes, "PK\3\4", 4) != 0)
		return false;
	size_t n = (size_t)bytes[26] | (size_t)bytes[27] << 8, most = beginning->n - name_at;
	return memmem(bytes + name_at, n < most ? n : most, part, strlen(part)) != NULL;
}

static bool is_npz(const struct beginning *beginning)
{
	return has_member(beginning, ".npy");
}

static bool is_pytorch(const struct beginning *beginning)
{
	return has_member(beginning, "data.pkl");
}

/* A mark, and a length that is far below 2^24. */
static bool is_arrow_stream(const struct beginning *beginning)
{
	const unsigned char *bytes = beginning->bytes;
	return beginning->n >= 8 && memcmp(bytes, "\xff\xff\xff\xff", 4) == 0 && bytes[7] == 0;
}

/* Protocols 2 to 5; before them it is text. */
static bool is_pickle(const struct beginning *beginning)
{
	const unsigned char *bytes = beginning->bytes;
	return beginning->n > 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}

/* What follows white space. */
static const unsigned char *text_of(const struct beginning *beginning, size_t *n)
{
	size_t i = 0;
	while (i < beginning->n && memchr(" \t\r\n", beginning->bytes[i], 4))
		i++;
	*n = beginning->n - i;
	return beginning->bytes + i;
}

static bool is_json(const struct beginning *beginning)
{
	size_t n;
	const unsigned char *text = text_of(beginning, &n);
	return n > 0 && (*text == '{' || *text == '[');
}

static bool begins_with(const struct beginning *beginning, const char *word)
{
	size_t n;
	const unsigned char *text = text_of(beginning, &n);
	return n >= strlen(word) && strncasecmp((const char *)text, word, strlen(word)) == 0;
}

static bool is_html(const struct beginning *beginning)
{
	return begins_with(beginning, "<!doctype html") || begins_with(beginning, "<html");
}

static bool is_xml(const struct beginning *beginning)
{
	return begins_with(beginning, "<?xml");
}

/* ASCII, and more than one value in the first line. */
static bool is_csv(const struct beginning *beginning)
{
	bool separated = false, first = true;
	for (size_t i = 0; i < beginning->n; i++) {
		unsigned char byte = beginning->bytes[i];
		if (!memchr("\t\r\n", byte, 3) && (byte < ' ' || byte > '~'))
			return false;
		first &= byte != '\n';
		separated |= first && memchr(",;\t", byte, 3);
	}
	return separated;
}

/* ---------------------------------------------------------------- the table */

#define BYTES(literal) .bytes = (literal), .n = sizeof(literal) - 1
#define TENSORS "send its tensors as JSON or safetensors"
#define SAVE "save its tensors with safetensors.numpy.save_file"

/* What is more particular comes first. */
static const struct signature table[] = {
	{.what = "safetensors",
	 .format = "safetensors",
	 .in_body = "it goes to /v1/losses/{loss}, and its Content-Type is "
		    "application/x-safetensors",
	 .in_file = "give the file by itself: lossd eval FILE",
	 .is = is_safetensors},
	{.what = "a NumPy array (.npy)",
	 .format = "npy",
	 .in_body = "evaluate it with `lossd eval --logits a.npy --targets b.npy`, or " SAVE,
	 .in_file = "say which tensor it is: lossd eval --logits a.npy --targets b.npy",
	 BYTES("\x93NUMPY")},
	{.what = "NumPy arrays (.npz)",
	 .format = "npz",
	 .in_body = "evaluate it with `lossd eval batch.npz`, or " SAVE,
	 .in_file = "give the file by itself: lossd eval FILE",
	 .is = is_npz},
	{.what = "a PyTorch file (.pt)",
	 .in_body = "read it with torch.load, and save its tensors with "
		    "safetensors.torch.save_file",
	 .in_file = "read it with torch.load, and save its tensors with "
		    "safetensors.torch.save_file",
	 .is = is_pytorch},
	{.what = "a zip archive",
	 .in_body = "unpack it, and " TENSORS,
	 .in_file = "unpack it: only those of NumPy (.npz) are read",
	 BYTES("PK\3\4")},
	{.what = "an empty zip archive",
	 .format = "npz",
	 .in_body = TENSORS,
	 .in_file = "put its tensors in",
	 BYTES("PK\5\6")},
	{.what = "a Python pickle (such as an old .pt)",
	 .in_body = "read it with torch.load or pickle, and save its tensors with safetensors",
	 .in_file = "read it with torch.load or pickle, and save its tensors with safetensors",
	 .is = is_pickle},
	{.what = "gzip",
	 .coding = CODING_GZIP,
	 .in_body = "say Content-Encoding: gzip",
	 .in_file = "it is compressed twice; decompress it once",
	 BYTES("\x1f\x8b")},
	{.what = "zstd",
	 .coding = CODING_ZSTD,
	 .in_body = "say Content-Encoding: zstd",
	 .in_file = "it is compressed twice; decompress it once",
	 BYTES("\x28\xb5\x2f\xfd")},
	{.what = "xz",
	 .in_body = "decompress it, or compress it with gzip or zstd in its place",
	 .in_file = "decompress it: xz -dc FILE | lossd eval -",
	 BYTES("\xfd"
	       "7zXZ\0")},
	{.what = "bzip2",
	 .in_body = "decompress it, or compress it with gzip or zstd in its place",
	 .in_file = "decompress it: bzip2 -dc FILE | lossd eval -",
	 BYTES("BZh")},
	{.what = "Parquet",
	 .in_body = "read it with pyarrow or pandas, and " SAVE,
	 .in_file = "read it with pyarrow or pandas, and " SAVE,
	 BYTES("PAR1")},
	{.what = "Arrow (Feather)",
	 .in_body = "read it with pyarrow, and " SAVE,
	 .in_file = "read it with pyarrow, and " SAVE,
	 BYTES("ARROW1")},
	{.what = "an Arrow stream",
	 .in_body = "read it with pyarrow, and " SAVE,
	 .in_file = "read it with pyarrow, and " SAVE,
	 .is = is_arrow_stream},
	{.what = "HDF5",
	 .in_body = "read it with h5py, and " SAVE,
	 .in_file = "read it with h5py, and " SAVE,
	 BYTES("\x89HDF\r\n\x1a\n")},
	{.what = "a GGUF model",
	 .in_body = "a batch's logits and targets are evaluated, not a model; " TENSORS,
	 .in_file = "a batch's logits and targets are evaluated, not a model",
	 BYTES("GGUF")},
	{.what = "text in UTF-16",
	 .in_body = "save it as UTF-8",
	 .in_file = "save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)",
	 BYTES("\xff\xfe")},
	{.what = "text in UTF-16",
	 .in_body = "save it as UTF-8",
	 .in_file = "save it as UTF-8",
	 BYTES("\xfe\xff")},
	{.what = "JSON",
	 .format = "json",
	 .in_body = "its Content-Type is application/json",
	 .in_file = "give the file by itself: lossd eval FILE",
	 .is = is_json},
	{.what = "HTML",
	 .in_body = "it may be a page that says what went wrong before; " TENSORS,
	 .in_file = "it may be a page that says what went wrong before; look into it",
	 .is = is_html},
	{.what = "XML",
	 .in_body = TENSORS,
	 .in_file = "tensors are read from JSON, safetensors and NumPy's files",
	 .is = is_xml},
	{.what = "comma- or tab-separated values",
	 .in_body = "send numbers as arrays of JSON: {\"logits\": [[0.5, -1.0]], ...}",
	 .in_file = "numbers are read as arrays of JSON: {\"logits\": [[0.5, -1.0]], ...}; or "
		    "numpy.loadtxt reads it and numpy.savez saves what is",
	 .is = is_csv},
};

const struct signature *signature_find(const struct beginning *beginning)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		const struct signature *row = &table[i];
		if (row->is ? row->is(beginning)
			    : beginning->n >= row->n &&
				      memcmp(beginning->bytes, row->bytes, row->n) == 0)
			return row;
	}
	return NULL;
}

void signature_tell(const struct beginning *beginning, const char *format, bool is_file,
		    struct loss_error *err)
{
	const struct signature *found = signature_find(beginning);
	size_t n = strlen(err->detail);
	if (found && !(found->format && strcmp(found->format, format) == 0))
		snprintf(err->detail + n, sizeof err->detail - n, "; this looks like %s: %s",
			 found->what, is_file ? found->in_file : found->in_body);
}
