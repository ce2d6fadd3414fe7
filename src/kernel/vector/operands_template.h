/* What stands beside the logits, as doubles: part of vector_template.h. */
static void widen_floats(const float *restrict from, double *restrict to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (double)from[i];
}

static void ISA(widen)(loss_dtype dtype, const void *from, double *to, size_t n)
{
	_Alignas(64) float buffer[256];
	if (dtype == LOSS_F32)
		widen_floats(from, to, n);
	else if (dtype == LOSS_F64)
		memcpy(to, from, n * sizeof *to);
	else
		for (size_t i = 0; i < n; i += 256) {
			size_t part = n - i < 256 ? n - i : 256;
			const unsigned char *at =
				(const unsigned char *)from + i * half_bytes(dtype);
			ISA(load)(dtype, at, buffer, part);
			widen_floats(buffer, to + i, part);
		}
}

static void ISA(scale)(double *b, double scale, double shift, const double *by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] = b[i] * scale + shift;
	for (size_t i = 0; by && i < n; i++)
		b[i] *= by[i];
}
