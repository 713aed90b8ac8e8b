namespace Rollout.Gpu.Kernels;

/// <summary>The largest step that a packed buffer is laid out for.</summary>
/// <param name="Tokens">Tokens, padding included.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Draws">Draws, and so rows of logits.</param>
/// <param name="Copies">Blocks to copy.</param>
/// <param name="TableEntries">Entries of all rows' block tables.</param>
/// <param name="Parts">The attention schedule's.</param>
internal sealed record StepCapacity(int Tokens, int Rows, int Draws, int Copies, int TableEntries, int Parts)
{
    /// <summary>Whether everything of a step laid out with the smaller one also fits here.</summary>
    public bool Holds(StepCapacity other) =>
        other.Tokens <= Tokens && other.Rows <= Rows && other.Draws <= Draws && other.Copies <= Copies
        && other.TableEntries <= TableEntries && other.Parts == Parts;
}
