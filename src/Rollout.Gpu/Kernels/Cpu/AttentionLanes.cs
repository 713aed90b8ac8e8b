using System.Numerics;

namespace Rollout.Gpu.Kernels.Cpu;

/// <summary>
/// The two inner loops of attention on a CPU. A call serves one query vector, or two that share what is loaded. The
/// order of additions is fixed for each query and key, so that results don't depend on block size, chunking, batch or
/// threads.
/// </summary>
internal static unsafe class AttentionLanes
{
    /// <summary>How many query vectors a call serves, as a constant for the compiler.</summary>
    internal interface IQueries;

    internal readonly struct One : IQueries;

    internal readonly struct Two : IQueries;

    /// <summary>score[j] = query · key at slot j, unscaled.</summary>
    /// <param name="a">[head_dim] the first query vector.</param>
    /// <param name="b">[head_dim] the second query vector, where there are two.</param>
    /// <param name="keys">The address of the head's first number at slot 0.</param>
    /// <param name="slots">[count] the slots of the keys.</param>
    /// <param name="count">The number of keys.</param>
    /// <param name="stride">Numbers from one slot to the next.</param>
    /// <param name="headDim">Numbers of a vector.</param>
    /// <param name="scoresA">[count] written.</param>
    /// <param name="scoresB">[count] written, where there are two.</param>
    public static void Scores<TQueries>(
        float* a, float* b, float* keys, int* slots, int count, nint stride, int headDim,
        float* scoresA, float* scoresB)
        where TQueries : struct, IQueries
    {
        var two = typeof(TQueries) == typeof(Two);
        var vectorEnd = headDim - (headDim % Vector<float>.Count);
        var j = 0;
        for (; j <= count - 4; j += 4)
        {
            var k0 = keys + (slots[j] * stride);
            var k1 = keys + (slots[j + 1] * stride);
            var k2 = keys + (slots[j + 2] * stride);
            var k3 = keys + (slots[j + 3] * stride);
            Vector<float> a0 = default, a1 = default, a2 = default, a3 = default;
            Vector<float> b0 = default, b1 = default, b2 = default, b3 = default;
            for (var d = 0; d < vectorEnd; d += Vector<float>.Count)
            {
                var (v0, v1) = (Vector.Load(k0 + d), Vector.Load(k1 + d));
                var (v2, v3) = (Vector.Load(k2 + d), Vector.Load(k3 + d));
                var qa = Vector.Load(a + d);
                a0 = Vector.FusedMultiplyAdd(qa, v0, a0);
                a1 = Vector.FusedMultiplyAdd(qa, v1, a1);
                a2 = Vector.FusedMultiplyAdd(qa, v2, a2);
                a3 = Vector.FusedMultiplyAdd(qa, v3, a3);
                if (!two)
                    continue;
                var qb = Vector.Load(b + d);
                b0 = Vector.FusedMultiplyAdd(qb, v0, b0);
                b1 = Vector.FusedMultiplyAdd(qb, v1, b1);
                b2 = Vector.FusedMultiplyAdd(qb, v2, b2);
                b3 = Vector.FusedMultiplyAdd(qb, v3, b3);
            }

            scoresA[j] = Finish(a0, a, k0, vectorEnd, headDim);
            scoresA[j + 1] = Finish(a1, a, k1, vectorEnd, headDim);
            scoresA[j + 2] = Finish(a2, a, k2, vectorEnd, headDim);
            scoresA[j + 3] = Finish(a3, a, k3, vectorEnd, headDim);
            if (!two)
                continue;
            scoresB[j] = Finish(b0, b, k0, vectorEnd, headDim);
            scoresB[j + 1] = Finish(b1, b, k1, vectorEnd, headDim);
            scoresB[j + 2] = Finish(b2, b, k2, vectorEnd, headDim);
            scoresB[j + 3] = Finish(b3, b, k3, vectorEnd, headDim);
        }

        for (; j < count; j++)
        {
            var k0 = keys + (slots[j] * stride);
            scoresA[j] = Dot(a, k0, vectorEnd, headDim);
            if (two)
                scoresB[j] = Dot(b, k0, vectorEnd, headDim);
        }
    }

    /// <summary>
    /// out += Σ weight[j] · value at slot j, in the order of j. Parameters as in <see cref="Scores"/>.
    /// </summary>
    public static void Values<TQueries>(
        float* weightsA, float* weightsB, float* values, int* slots, int count, nint stride, int headDim,
        float* outA, float* outB)
        where TQueries : struct, IQueries
    {
        var two = typeof(TQueries) == typeof(Two);
        var width = Vector<float>.Count;
        var d = 0;
        for (; d <= headDim - (4 * width); d += 4 * width)
        {
            var oa = outA + d;
            var ob = outB + d;
            var (a0, a1) = (Vector.Load(oa), Vector.Load(oa + width));
            var (a2, a3) = (Vector.Load(oa + (2 * width)), Vector.Load(oa + (3 * width)));
            Vector<float> b0 = default, b1 = default, b2 = default, b3 = default;
            if (two)
            {
                (b0, b1) = (Vector.Load(ob), Vector.Load(ob + width));
                (b2, b3) = (Vector.Load(ob + (2 * width)), Vector.Load(ob + (3 * width)));
            }

            for (var j = 0; j < count; j++)
            {
                var value = values + (slots[j] * stride) + d;
                var (v0, v1) = (Vector.Load(value), Vector.Load(value + width));
                var (v2, v3) = (Vector.Load(value + (2 * width)), Vector.Load(value + (3 * width)));
                var wa = Vector.Create(weightsA[j]);
                a0 = Vector.FusedMultiplyAdd(wa, v0, a0);
                a1 = Vector.FusedMultiplyAdd(wa, v1, a1);
                a2 = Vector.FusedMultiplyAdd(wa, v2, a2);
                a3 = Vector.FusedMultiplyAdd(wa, v3, a3);
                if (!two)
                    continue;
                var wb = Vector.Create(weightsB[j]);
                b0 = Vector.FusedMultiplyAdd(wb, v0, b0);
                b1 = Vector.FusedMultiplyAdd(wb, v1, b1);
                b2 = Vector.FusedMultiplyAdd(wb, v2, b2);
                b3 = Vector.FusedMultiplyAdd(wb, v3, b3);
            }

            Store(oa, a0, a1, a2, a3);
            if (two)
                Store(ob, b0, b1, b2, b3);
        }

        for (; d <= headDim - width; d += width)
            AddVector<TQueries>(weightsA, weightsB, values + d, slots, count, stride, outA + d, outB + d);

        for (; d < headDim; d++)
        {
            AddNumber(weightsA, values + d, slots, count, stride, outA + d);
            if (two)
                AddNumber(weightsB, values + d, slots, count, stride, outB + d);
        }
    }

    private static float Dot(float* query, float* key, int vectorEnd, int headDim)
    {
        var sum = Vector<float>.Zero;
        for (var d = 0; d < vectorEnd; d += Vector<float>.Count)
            sum = Vector.FusedMultiplyAdd(Vector.Load(query + d), Vector.Load(key + d), sum);
        return Finish(sum, query, key, vectorEnd, headDim);
    }

    private static float Finish(Vector<float> sum, float* query, float* key, int vectorEnd, int headDim)
    {
        var dot = Vector.Sum(sum);
        for (var d = vectorEnd; d < headDim; d++)
            dot = MathF.FusedMultiplyAdd(query[d], key[d], dot);
        return dot;
    }

    private static void Store(
        float* to, Vector<float> v0, Vector<float> v1, Vector<float> v2, Vector<float> v3)
    {
        Vector.Store(v0, to);
        Vector.Store(v1, to + Vector<float>.Count);
        Vector.Store(v2, to + (2 * Vector<float>.Count));
        Vector.Store(v3, to + (3 * Vector<float>.Count));
    }

    private static void AddVector<TQueries>(
        float* weightsA, float* weightsB, float* values, int* slots, int count, nint stride, float* toA, float* toB)
        where TQueries : struct, IQueries
    {
        var two = typeof(TQueries) == typeof(Two);
        var a = Vector.Load(toA);
        var b = two ? Vector.Load(toB) : default;
        for (var j = 0; j < count; j++)
        {
            var value = Vector.Load(values + (slots[j] * stride));
            a = Vector.FusedMultiplyAdd(Vector.Create(weightsA[j]), value, a);
            if (two)
                b = Vector.FusedMultiplyAdd(Vector.Create(weightsB[j]), value, b);
        }

        Vector.Store(a, toA);
        if (two)
            Vector.Store(b, toB);
    }

    private static void AddNumber(
        float* weights, float* values, int* slots, int count, nint stride, float* to)
    {
        for (var j = 0; j < count; j++)
            *to = MathF.FusedMultiplyAdd(weights[j], values[slots[j] * stride], *to);
    }
}
