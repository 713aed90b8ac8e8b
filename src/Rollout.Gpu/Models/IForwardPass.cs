namespace Rollout.Gpu.Models;

/// <summary>
/// The operations of a forward pass, on tensors of libtorch (a CPU, training anywhere) or on the buffers of a step on
/// a GPU. The model says which operation follows which, with which weights; a pass knows its tokens, their positions,
/// and how they attend. An operation consumes its inputs unless its description says otherwise.
/// </summary>
/// <typeparam name="T">A value [tokens, numbers] of the pass's tokens.</typeparam>
internal interface IForwardPass<T>
{
    /// <summary>[tokens, hidden] the table's rows of the tokens' ids.</summary>
    T Embed(Projection table);

    /// <summary>[tokens, hidden] → the same shape. The input is kept as the residual stream.</summary>
    T Norm(T input, RmsNorm norm);

    /// <summary>Adds update to residual and returns the norm of the sum, [tokens, hidden].</summary>
    T AddAndNorm(ref T residual, T update, RmsNorm norm);

    /// <summary>[tokens, inputs] → [tokens, outputs].</summary>
    T Project(T input, Projection projection);

    /// <summary>
    /// Norms and rotates queries and keys, stores keys and values if the pass has a cache, and attends causally
    /// within each sequence.
    /// </summary>
    /// <param name="heads">[tokens, (heads + 2 · kv_heads) · head_dim]: queries, keys, values.</param>
    /// <param name="attention">The layer's number, shape and norms.</param>
    /// <returns>[tokens, heads · head_dim].</returns>
    T Attend(T heads, Attention attention);

    /// <summary>silu(gate) · up: [tokens, 2 · intermediate] (gate, up) → [tokens, intermediate].</summary>
    T Gate(T halves);

    /// <summary>Computes a layer and the norm that follows it, as <see cref="DecoderLayer.Forward"/> says.</summary>
    T Layer(DecoderLayer layer, ref T residual, T hidden, RmsNorm next) =>
        layer.Forward(this, ref residual, hidden, next);
}
