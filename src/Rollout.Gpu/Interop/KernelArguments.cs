using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Rollout.Gpu.Interop;

/// <summary>
/// A kernel's arguments in the order of its parameters. Each takes eight bytes, of which the driver reads as many as
/// the parameter has. They are on the stack, so that a launch allocates nothing.
/// </summary>
internal ref struct KernelArguments
{
    /// <summary>The most arguments.</summary>
    public const int Capacity = 24;

    private Slots _slots;

    /// <summary>The number of arguments.</summary>
    public int Count { get; private set; }

    [UnscopedRef]
    internal readonly ReadOnlySpan<long> Values => _slots;

    /// <summary>Adds an address on the device, or a 64-bit number.</summary>
    public void Add(nint value) => _slots[Count++] = value;

    /// <summary>Adds a 32-bit number.</summary>
    public void Add(int value) => _slots[Count++] = value;

    /// <summary>Adds a float.</summary>
    public void Add(float value) => _slots[Count++] = BitConverter.SingleToUInt32Bits(value);

    /// <summary>These arguments, followed by 32-bit numbers.</summary>
    public readonly KernelArguments And(params ReadOnlySpan<int> values)
    {
        var more = this;
        foreach (var value in values)
            more.Add(value);
        return more;
    }

    /// <summary>These arguments, followed by floats.</summary>
    public readonly KernelArguments And(params ReadOnlySpan<float> values)
    {
        var more = this;
        foreach (var value in values)
            more.Add(value);
        return more;
    }

    [InlineArray(Capacity)]
    private struct Slots
    {
        private long _first;
    }
}
