using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>
/// NVIDIA's matrix products, from the library that a CUDA build of libtorch brings. They write into existing memory,
/// use an algorithm that is chosen once, and can give results wider than their operands. Every function returns a
/// cublasStatus_t, 0 for success.
/// </summary>
internal sealed unsafe class CublasLt : IDisposable
{
    // The values of names in cublasLt.h.
    public const int Real32 = 0;             // CUDA_R_32F
    public const int RealBfloat16 = 14;      // CUDA_R_16BF
    public const int Compute32 = 68;         // CUBLAS_COMPUTE_32F: float32 products and sums, no tf32
    public const int TransposeA = 3;         // CUBLASLT_MATMUL_DESC_TRANSA
    public const int TransposeB = 4;         // CUBLASLT_MATMUL_DESC_TRANSB
    public const int Epilogue = 7;           // CUBLASLT_MATMUL_DESC_EPILOGUE
    public const int BiasPointer = 8;        // CUBLASLT_MATMUL_DESC_BIAS_POINTER
    public const int Transposed = 1;         // CUBLAS_OP_T
    public const int AddBias = 4;            // CUBLASLT_EPILOGUE_BIAS
    public const int MaxWorkspaceBytes = 1;  // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES

    private static readonly string[] Names = ["libcublasLt.so.13", "libcublasLt.so.12"];

    private readonly delegate* unmanaged<nint, int> _destroy;
    private readonly delegate* unmanaged<nint*, int, int, int> _createProduct;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _setProduct;
    private readonly delegate* unmanaged<nint, int> _destroyProduct;
    private readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> _createLayout;
    private readonly delegate* unmanaged<nint, int> _destroyLayout;
    private readonly delegate* unmanaged<nint*, int> _createPreference;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _setPreference;
    private readonly delegate* unmanaged<nint, int> _destroyPreference;
    private readonly delegate* unmanaged<
        nint, nint, nint, nint, nint, nint, nint, int, Choice*, int*, int> _choose;
    private readonly delegate* unmanaged<
        nint, nint, float*, nint, nint, nint, nint, float*, nint, nint, nint, nint, Choice*, nint, nuint, nint, int>
        _multiply;

    private nint _handle;

    /// <param name="context">The device's context, current on this thread.</param>
    /// <exception cref="LibTorchException">The library is missing.</exception>
    public CublasLt(CudaContext context)
    {
        context.MakeCurrent();
        var library = Open();
        _destroy = (delegate* unmanaged<nint, int>)Find(library, "cublasLtDestroy");
        _createProduct = (delegate* unmanaged<nint*, int, int, int>)Find(library, "cublasLtMatmulDescCreate");
        _setProduct = (delegate* unmanaged<nint, int, void*, nuint, int>)Find(library, "cublasLtMatmulDescSetAttribute");
        _destroyProduct = (delegate* unmanaged<nint, int>)Find(library, "cublasLtMatmulDescDestroy");
        _createLayout =
            (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)Find(library, "cublasLtMatrixLayoutCreate");
        _destroyLayout = (delegate* unmanaged<nint, int>)Find(library, "cublasLtMatrixLayoutDestroy");
        _createPreference = (delegate* unmanaged<nint*, int>)Find(library, "cublasLtMatmulPreferenceCreate");
        _setPreference =
            (delegate* unmanaged<nint, int, void*, nuint, int>)Find(library, "cublasLtMatmulPreferenceSetAttribute");
        _destroyPreference = (delegate* unmanaged<nint, int>)Find(library, "cublasLtMatmulPreferenceDestroy");
        _choose = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, Choice*, int*, int>)
            Find(library, "cublasLtMatmulAlgoGetHeuristic");
        _multiply = (delegate* unmanaged<
            nint, nint, float*, nint, nint, nint, nint, float*, nint, nint, nint, nint, Choice*, nint, nuint, nint, int>)
            Find(library, "cublasLtMatmul");

        nint handle;
        var create = (delegate* unmanaged<nint*, int>)Find(library, "cublasLtCreate");
        Check(create(&handle), "start");
        _handle = handle;
    }

    /// <exception cref="LibTorchException">The library is missing.</exception>
    public static void RequireLibrary() => _ = Open();

    /// <summary>An algorithm and its needs (cublasLtMatmulHeuristicResult_t).</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Choice
    {
        public fixed ulong Algorithm[8];
        public nuint WorkspaceBytes;
        public int State;
        public float Waves;
        public fixed int Reserved[4];

        /// <summary>A name that is equal for equal algorithms.</summary>
        public readonly string Name
        {
            get
            {
                fixed (ulong* words = Algorithm)
                    return Convert.ToHexString(new ReadOnlySpan<byte>(words, 8 * sizeof(ulong)));
            }
        }
    }

    /// <summary>Creates a product in float32 arithmetic.</summary>
    public nint CreateProduct(bool leftTransposed = true, bool rightTransposed = false)
    {
        nint product;
        Check(_createProduct(&product, Compute32, Real32), "describe a product");
        if (leftTransposed)
            Set(product, TransposeA, Transposed);
        if (rightTransposed)
            Set(product, TransposeB, Transposed);
        return product;
    }

    public void Set(nint product, int attribute, int value) =>
        Check(_setProduct(product, attribute, &value, sizeof(int)), "describe a product");

    public void Set(nint product, int attribute, nint value) =>
        Check(_setProduct(product, attribute, &value, (nuint)sizeof(nint)), "describe a product");

    public void DestroyProduct(nint product) => _ = _destroyProduct(product);

    /// <summary>Creates the layout of a packed matrix in the library's column order.</summary>
    public nint CreateLayout(int type, int rows, int columns)
    {
        nint layout;
        Check(_createLayout(&layout, type, (ulong)rows, (ulong)columns, rows), "describe a matrix");
        return layout;
    }

    public void DestroyLayout(nint layout) => _ = _destroyLayout(layout);

    /// <summary>The library's first choice for a product, which is always the same.</summary>
    /// <exception cref="CudaLibraryException">The library has no algorithm.</exception>
    public Choice Choose(nint product, nint left, nint right, nint result, long workspaceBytes) =>
        Choices(product, left, right, result, workspaceBytes, most: 1)[0];

    /// <summary>The library's choices for a product, those that it expects to be fastest first.</summary>
    /// <exception cref="CudaLibraryException">The library has no algorithm.</exception>
    public Choice[] Choices(nint product, nint left, nint right, nint result, long workspaceBytes, int most)
    {
        nint preference;
        Check(_createPreference(&preference), "state a preference");
        try
        {
            var bytes = (nuint)workspaceBytes;
            Check(_setPreference(preference, MaxWorkspaceBytes, &bytes, (nuint)sizeof(nuint)), "state a preference");
            var choices = new Choice[most];
            int found;
            fixed (Choice* first = choices)
            {
                Check(
                    _choose(_handle, product, left, right, result, result, preference, most, first, &found),
                    "choose an algorithm");
            }

            choices = [.. choices.Take(found).Where(choice => choice.State == 0)];
            Check(choices.Length > 0 ? 0 : NotSupported, "choose an algorithm");
            return choices;
        }
        finally
        {
            _ = _destroyPreference(preference);
        }
    }

    /// <summary>Queues result = factor · left · right on the stream, or result += factor · left · right if it adds.</summary>
    public void Multiply(
        nint product, (nint Matrix, nint Layout) left, (nint Matrix, nint Layout) right,
        (nint Matrix, nint Layout) result, in Choice choice, DeviceMemory workspace, CudaStream stream, bool adds = false,
        float factor = 1)
    {
        var kept = adds ? 1f : 0f;
        fixed (Choice* chosen = &choice)
        {
            Check(
                _multiply(
                    _handle, product, &factor, left.Matrix, left.Layout, right.Matrix, right.Layout, &kept,
                    result.Matrix, result.Layout, result.Matrix, result.Layout, chosen,
                    workspace.Pointer, (nuint)workspace.Bytes, stream.Handle),
                "multiply");
        }
    }

    public void Dispose()
    {
        if (_handle == 0)
            return;
        _ = _destroy(_handle);
        _handle = 0;
    }

    private const int NotSupported = 15; // CUBLAS_STATUS_NOT_SUPPORTED

    private static nint Open()
    {
        foreach (var name in Names)
        {
            if (NativeLibrary.TryLoad(name, out var library))
                return library;
        }

        throw new LibTorchException(
            $"Device cuda needs {Names[0]} or {Names[1]}, which a CUDA build of libtorch brings, and neither can be "
            + "loaded: put their folder into LD_LIBRARY_PATH.");
    }

    private static nint Find(nint library, string name) => NativeLibrary.TryGetExport(library, name, out var function)
        ? function
        : throw new LibTorchException($"The cuBLASLt that was found has no function {name}: it is too old or too new.");

    private static void Check(int status, string operation)
    {
        if (status != 0)
            throw new CudaLibraryException($"cuBLASLt could not {operation}: status {status} of cublasStatus_t.");
    }
}

/// <summary>
/// A library of NVIDIA's other than the driver refused or failed. The message names it and its status.
/// </summary>
internal sealed class CudaLibraryException(string message) : DeviceException(message);
