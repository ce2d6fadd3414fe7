#include "cases.h"

#define LARGE .rank = 2, .shape = {1024, 128256}
#define MIDDLE .rank = 2, .shape = {1024, 32064}
#define TEACHER .rank = 2, .shape = {256, 128256}, .teacher = true
#define SMALL .rank = 2, .shape = {8, 10}, .cached = true

/* Of a second thread on a small call: 1, less what rounds can tell apart. */
#define NEVER_SLOWER 0.97

#define GRADIENT_BESIDE .rank = 2, .shape = {4096, 1000}, .grad = true, .bar = 2.0, .at_most = true
#define UPLOAD .rank = 2, .shape = {256, 128256}
#define SMALL_JSON .rank = 2, .shape = {8, 10}, .json = true
#define SMALL_BESIDE SMALL_JSON, .at_most = true, .bar = 1.5
#define DEADLINE_BESIDE .rank = 2, .shape = {256, 128256}, .grad = true, .bar = 1.1, .at_most = true

#define GRADIENT "/v1/losses/cross_entropy?outputs=loss,grad"
#define CODINGS "Accept-Encoding: gzip\r\n"

/* clang-format off */
static const struct bench_load tensors_load = {
	"131 MB ones", .clients = 3, .rows = 256, .classes = 128256,
	.path = GRADIENT, .fields = CODINGS "Accept: application/x-safetensors\r\n",
};
static const struct bench_load compressed_load = {
	"131 MB compressed", .clients = 3, .rows = 256, .classes = 128256,
	.path = GRADIENT "&compress=true", .fields = CODINGS "Accept: application/x-safetensors\r\n",
};
static const struct bench_load stream_load = {
	"131 MB bodies", .clients = 1, .rows = 256, .classes = 128256,
	.path = "/v1/losses/cross_entropy", .fields = "",
};
static const struct bench_load replies_load = {
	"compressed JSON", .clients = 3, .rows = 4096, .classes = 1000,
	.path = GRADIENT, .fields = CODINGS "Accept: application/json\r\n",
};
static const struct bench_load bodies_load = {
	"20 MB JSON bodies", .clients = 4, .rows = 1000, .classes = 1000, .json = true,
	.path = "/v1/losses/cross_entropy", .fields = CODINGS,
};

const struct bench_case bench_cases[] = {
	{"K1", REFERENCE_ROOFLINE, "F32", LARGE, .bar = 0.65},
	{"K2", REFERENCE_ROOFLINE, "F32", LARGE, .grad = true, .warm = true, .bar = 0.55},
	{"K3", REFERENCE_ROOFLINE, "F32", .rank = 2, .shape = {4096, 1000}, .bar = 0.60},
	{"K3", REFERENCE_ROOFLINE, "F32", .rank = 2, .shape = {65536, 10}, .bar = 0.35},
	{"K3", REFERENCE_ROOFLINE, "F32", .rank = 4, .shape = {8, 21, 512, 512}, .bar = 0.60},
	{"K4", REFERENCE_PYTORCH, "F32", LARGE, .bar = 4.0, .as_it_is = 8.0},
	{"K4", REFERENCE_PYTORCH, "F32", LARGE, .grad = true, .bar = 6.0, .as_it_is = 15.0},
	{"K5", REFERENCE_ONEDNN, "F32", LARGE, .bar = 3.0},
	{"K6", REFERENCE_PYTORCH, "F32", SMALL, .bar = 20.0},
	{"K6", REFERENCE_PYTORCH, "F32", SMALL, .grad = true, .bar = 20.0},
	{"K7", REFERENCE_ROOFLINE, "BF16", LARGE, .bar = 0.55},
	{"K7", REFERENCE_ROOFLINE, "F16", LARGE, .bar = 0.55},
	{"K8", REFERENCE_ONE_THREAD, "F32", LARGE, .bar = 1.7},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {64, 1000}, .cached = true, .bar = 1.7},
	{"K8", REFERENCE_ONE_THREAD, "F32", SMALL, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", SMALL, .grad = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {256, 10}, .cached = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {1024, 10}, .cached = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {4096, 10}, .cached = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {8, 1000}, .cached = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {16, 1000}, .cached = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {32, 1000}, .cached = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {1, 32000}, .cached = true, .bar = NEVER_SLOWER},
	{"K8", REFERENCE_ONE_THREAD, "F32", .rank = 2, .shape = {16, 1000}, .cached = true, .grad = true, .bar = NEVER_SLOWER},
	{"K10", REFERENCE_ROOFLINE, "F64", MIDDLE, .bar = 0.5},
	{"K10", REFERENCE_ROOFLINE, "F64", MIDDLE, .grad = true, .warm = true, .bar = 0.45},
	{"K12", REFERENCE_CROSS_ENTROPY, "F32", MIDDLE, .grad = true, .warm = true, .bar = 0.95},
	{"K12", REFERENCE_CROSS_ENTROPY, "F32", .rank = 2, .shape = {4096, 1000}, .grad = true, .warm = true, .bar = 0.95},
	{"K11", REFERENCE_ROOFLINE, "F32", TEACHER, .bar = 0.5},
	{"K11", REFERENCE_ROOFLINE, "F32", TEACHER, .grad = true, .warm = true, .bar = 0.5},
	{"K11", REFERENCE_PYTORCH, "F32", TEACHER, .bar = 8.0},
	{"K11", REFERENCE_PYTORCH, "F32", TEACHER, .grad = true, .bar = 8.0},
	{"K13", REFERENCE_NO_SUMS, "F32", LARGE, .bar = 0.95},
	{"K13", REFERENCE_NO_SUMS, "F32", .rank = 2, .shape = {4096, 1000}, .bar = 0.95},
	{"K13", REFERENCE_NO_SUMS, "F32", .rank = 2, .shape = {65536, 10}, .bar = 0.95},
	{"K13", REFERENCE_NO_SUMS, "F32", .rank = 4, .shape = {8, 21, 512, 512}, .bar = 0.95},
	{"K13", REFERENCE_NO_SUMS, "F32", SMALL, .bar = 0.95},
	{"K13", REFERENCE_NO_SUMS, "F32", SMALL, .grad = true, .bar = 0.95},
	{"P1", REFERENCE_LIBRARY, "F32", .rank = 2, .shape = {1024, 32000}, .python = true, .bar = 0.95},
	{"P1", REFERENCE_PYTORCH, "F32", SMALL, .python = true, .bar = 1.0},
	{"J1", REFERENCE_SIMDJSON, "F32", .rank = 2, .shape = {4096, 1000}, .bar = 1.0},
	{"J2", REFERENCE_TENSOR_BYTES, "F32", .rank = 2, .shape = {4096, 1000}, .bar = 1.5, .at_most = true},
	{"J3", REFERENCE_SNPRINTF, "F32", .rank = 2, .shape = {4096, 1000}, .grad = true, .bar = 8.0},
	{"E1", REFERENCE_BARE_RATE, "F32", SMALL_JSON, .bar = 0.70},
	{"E2", REFERENCE_FASTAPI_RATE, "F32", SMALL_JSON, .bar = 20.0},
	{"E3", REFERENCE_DISCARD, "F32", UPLOAD, .bar = 0.90},
	{"E4", REFERENCE_FASTAPI, "F32", UPLOAD, .bar = 5.0},
	{"E5", REFERENCE_IN_PROCESS, "F32", UPLOAD, .bar = 0.80},
	{"E6", REFERENCE_FASTAPI, "F32", .rank = 2, .shape = {1000, 1000}, .json = true, .bar = 4.0},
	{"E7", REFERENCE_64_MIB, "F32", .rank = 2, .shape = {2093, 128256}, .bar = 1.0, .at_most = true},
	{"E8", REFERENCE_QUIET_P99, "F32", SMALL_JSON, .bar = 3.0, .at_most = true, .load = &stream_load},
	{"E9", REFERENCE_DISCARD_TLS, "F32", UPLOAD, .bar = 0.90},
	{"E10", REFERENCE_SAFETENSORS, "F32", UPLOAD, .bar = 0.60},
	{"E11", REFERENCE_REQUEST_RATE, "F32", SMALL_JSON, .bar = 5.0},
	{"E12", REFERENCE_REPLY, "F32", UPLOAD, .grad = true, .bar = 0.85},
	{"E14", REFERENCE_BOTH_WAYS, "F32", UPLOAD, .grad = true, .bar = 0.70},
	{"F6", REFERENCE_FRESH_BYTES, "F32", SMALL_JSON, .bar = 1.0, .at_most = true},
	{"F6", REFERENCE_USED_BYTES, "F32", SMALL_JSON, .bar = 1.0, .at_most = true},
	{"F6", REFERENCE_IDLE, "F32", SMALL_JSON, .bar = 2.0, .at_most = true},
	{"F7", REFERENCE_SLOW, "F32", SMALL_JSON, .bar = 2.0, .at_most = true},
	{"F7", REFERENCE_LATE, "F32", SMALL_JSON, .bar = 1.0, .at_most = true},
	{"F15", REFERENCE_QUIET, "F32", GRADIENT_BESIDE, .load = &tensors_load},
	{"F15", REFERENCE_QUIET, "F32", GRADIENT_BESIDE, .load = &replies_load},
	{"F15", REFERENCE_QUIET, "F32", GRADIENT_BESIDE, .load = &bodies_load},
	{"F15", REFERENCE_BARE_BESIDE, "F32", SMALL_BESIDE, .load = &tensors_load},
	{"F15", REFERENCE_BARE_BESIDE, "F32", SMALL_BESIDE, .load = &compressed_load},
	{"F15", REFERENCE_BARE_BESIDE, "F32", SMALL_BESIDE, .load = &replies_load},
	{"F15", REFERENCE_BARE_BESIDE, "F32", SMALL_BESIDE, .load = &bodies_load},
	{"F15", REFERENCE_DEADLINE, "F32", DEADLINE_BESIDE},
	{"F15", REFERENCE_DEADLINE, "F32", DEADLINE_BESIDE, .load = &tensors_load},
	{"F15", REFERENCE_DEADLINE, "F32", DEADLINE_BESIDE, .load = &replies_load},
	{"F15", REFERENCE_DEADLINE, "F32", DEADLINE_BESIDE, .load = &bodies_load},
};
/* clang-format on */

const size_t n_bench_cases = sizeof bench_cases / sizeof bench_cases[0];
