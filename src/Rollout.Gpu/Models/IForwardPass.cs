namespace Rollout.Gpu.Models;

/// <summary>
/// What the layers are made of, on whatever holds their values: tensors of libtorch (a CPU, training anywhere) or the
/// buffers of a step on a GPU. The model says which operation follows which, and with which weights; a pass knows its
/// tokens, their positions, and how they attend. A value that is given to an operation is used up by it, unless its
/// description says otherwise.
/// </summary>
/// <typeparam name="T">[tokens, numbers] of each token of the pass.</typeparam>
internal interface IForwardPass<T>
{
    /// <summary>[tokens, hidden]: the rows of the table that the tokens' ids name.</summary>
    T Embed(Projection table);

    /// <summary>[tokens, hidden] → the same shape. The input is kept: it goes on as the residual stream.</summary>
    T Norm(T input, RmsNorm norm);

    /// <summary>residual += update; returns the norm of the sum, [tokens, hidden].</summary>
    T AddAndNorm(ref T residual, T update, RmsNorm norm);

    /// <summary>[tokens, inputs] → [tokens, outputs].</summary>
    T Project(T input, Projection projection);

    /// <summary>
    /// Norms, rotates, stores keys and values where the pass caches them, and attends causally within each sequence.
    /// </summary>
    /// <param name="heads">[tokens, (heads + 2 · kv_heads) · head_dim]: queries, keys, values.</param>
    /// <param name="attention">The layer's number, shape and norms.</param>
    /// <returns>[tokens, heads · head_dim].</returns>
    T Attend(T heads, Attention attention);

    /// <summary>silu(gate) · up: [tokens, 2 · intermediate] (gate, up) → [tokens, intermediate].</summary>
    T Gate(T halves);
}
