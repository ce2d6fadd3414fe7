/* oneDNN's logsoftmax, timed for peer.h. Built where oneDNN is installed. */
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

#include "timing.h"

struct primitive {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	dnnl_primitive_t softmax;
	dnnl_memory_t from, to;
	float *data;
};

static void check(dnnl_status_t status)
{
	if (status == dnnl_success)
		return;
	printf("oneDNN failed with status %d\n", (int)status);
	exit(1);
}

/* Over the last axis, for inference. */
static void create_softmax(struct primitive *p, const dnnl_memory_desc_t *shape)
{
	dnnl_primitive_desc_t made;
#if DNNL_VERSION_MAJOR >= 3
	check(dnnl_softmax_forward_primitive_desc_create(&made, p->engine, dnnl_forward_inference,
							 dnnl_softmax_log, *shape, *shape, 1,
							 NULL));
#else
	dnnl_logsoftmax_desc_t what;
	check(dnnl_logsoftmax_forward_desc_init(&what, dnnl_forward_inference, shape, 1));
	check(dnnl_primitive_desc_create(&made, &what, NULL, p->engine, NULL));
#endif
	check(dnnl_primitive_create(&p->softmax, made));
	check(dnnl_primitive_desc_destroy(made));
}

static void create(struct primitive *p, size_t rows, size_t classes)
{
	dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)classes};
	dnnl_memory_desc_t shape;
	check(dnnl_engine_create(&p->engine, dnnl_cpu, 0));
	check(dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags));
#if DNNL_VERSION_MAJOR >= 3
	check(dnnl_memory_desc_create_with_tag(&shape, 2, dims, dnnl_f32, dnnl_ab));
	check(dnnl_memory_create(&p->from, shape, p->engine, DNNL_MEMORY_NONE));
	check(dnnl_memory_create(&p->to, shape, p->engine, DNNL_MEMORY_NONE));
#else
	check(dnnl_memory_desc_init_by_tag(&shape, 2, dims, dnnl_f32, dnnl_ab));
	check(dnnl_memory_create(&p->from, &shape, p->engine, DNNL_MEMORY_NONE));
	check(dnnl_memory_create(&p->to, &shape, p->engine, DNNL_MEMORY_NONE));
#endif
	create_softmax(p, &shape);
	size_t n = rows * classes;
	p->data = aligned_alloc(4096, (2 * n * sizeof(float) + 4095) & ~(size_t)4095);
	if (!p->data)
		exit(1);
	for (size_t i = 0; i < n; i++)
		p->data[i] = (float)(i * 2654435761u % 1024) * 0x1p-6f - 8.0f;
	check(dnnl_memory_set_data_handle(p->from, p->data));
	check(dnnl_memory_set_data_handle(p->to, p->data + n));
}

static void destroy(struct primitive *p)
{
	if (!p->data)
		return;
	dnnl_memory_destroy(p->from);
	dnnl_memory_destroy(p->to);
	dnnl_primitive_destroy(p->softmax);
	dnnl_stream_destroy(p->stream);
	dnnl_engine_destroy(p->engine);
	free(p->data);
	*p = (struct primitive){0};
}

static void execute(void *context)
{
	struct primitive *p = context;
	const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, p->from}, {DNNL_ARG_DST, p->to}};
	check(dnnl_primitive_execute(p->softmax, p->stream, 2, arguments));
	check(dnnl_stream_wait(p->stream));
}

int main(void)
{
	struct primitive p = {0};
	size_t rows, classes, last_rows = 0, last_classes = 0;
	int threads;
	const dnnl_version_t *version = dnnl_version();
	printf("ready oneDNN %d.%d.%d\n", version->major, version->minor, version->patch);
	fflush(stdout);
	while (scanf("%*s %zu %zu %d", &rows, &classes, &threads) == 3) {
		omp_set_num_threads(threads);
		if (rows != last_rows || classes != last_classes) {
			destroy(&p);
			create(&p, last_rows = rows, last_classes = classes);
		}
		printf("%.9g\n", time_call(execute, &p));
		fflush(stdout);
	}
	destroy(&p);
	return 0;
}
